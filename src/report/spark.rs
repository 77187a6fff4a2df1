//! A line of blocks: an indicator at a glance where there are no pictures.

use super::view::{Dot, Figure, Scene};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The greatest value of each of `width` equal stretches of the run, from zero (or the least
/// value, below it) up to the greatest value or bound. A stretch without a number is a blank dot.
pub(super) fn spark(figure: &Figure, scene: &Scene, width: usize) -> String {
    let numbers = || figure.dots.iter().filter(|dot| dot.value.is_finite());
    let bounds = figure.bounds.iter().map(|bound| bound.level);
    let top = numbers().map(|dot| dot.value).chain(bounds).fold(0.0, f64::max);
    let bottom = numbers().map(|dot| dot.value).fold(0.0, f64::min);
    let length = scene.end - scene.start;
    let cell = |column: usize| {
        let inside = |dot: &&Dot| {
            let share = (dot.at - scene.start) / length;
            (share * width as f64).floor() as i64 == column as i64
        };
        let most = numbers().filter(inside).map(|dot| dot.value).max_by(f64::total_cmp)?;
        let share = if top > bottom { (most - bottom) / (top - bottom) } else { 0.0 };
        let level = (share * BLOCKS.len() as f64).floor() as usize;
        Some(BLOCKS[level.min(BLOCKS.len() - 1)])
    };
    (0..width).map(|column| cell(column).unwrap_or('·')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, fixture};

    #[test]
    fn a_gap_is_no_zero() {
        let mut sample = fixture::held();
        sample.analysis.tracks[0].points.retain(|point| {
            let seconds = point.time.seconds_from(fixture::at(0.0));
            !(20.0..60.0).contains(&seconds)
        });
        let view = View::new(&sample.subject());
        let line = spark(&view.figures[0], &view.scene, 16);
        assert_eq!(line, "▅▅▅▅▅▅▇▇····▅▅▅▅");
    }
}
