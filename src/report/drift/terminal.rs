//! The report on a history for a terminal.

use super::{DriftView, Tone};
use crate::report::{Style, screen::Screen, view::Dot};

/// Columns of the questions.
const QUESTION: usize = 31;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

pub(super) fn render(view: &DriftView, style: Style) -> String {
    let mut page = Screen::new(style);
    page.title(&format!("{} {}", view.tone.sign(), view.word), view.tone, &view.name);
    page.wrapped("", &view.headline);
    if !view.chart.dots.is_empty() {
        page.blank();
        let width = page.width().saturating_sub(4).min(80);
        page.row(&format!("  {}", spark(&view.chart.dots, width)));
    }
    page.blank();
    for answer in &view.answers {
        page.answer(answer, QUESTION);
    }
    if !view.regimes.is_empty() {
        page.heading("regimes");
        for regime in &view.regimes {
            let lead = format!("  rows {:<13} ", regime.rows);
            let slope =
                if regime.slope == "none" { String::new() } else { format!(", {}", regime.slope) };
            let text = format!("{} runs at {}{slope}", regime.runs, regime.level);
            page.item(&lead, Tone::Plain, &text);
        }
    }
    page.heading("how");
    for fact in &view.method {
        page.item(&format!("  {}: ", fact.name), Tone::Plain, &fact.text);
    }
    page.finish()
}

/// The mean of each of at most `width` equal stretches of the runs, from the least to the greatest
/// value, outliers left out. A stretch without a number is a dot.
pub(super) fn spark(dots: &[Dot], width: usize) -> String {
    let first = dots.first().map_or(0.0, |dot| dot.at);
    let length = dots.last().map_or(0.0, |dot| dot.at - first) + 1.0;
    let width = width.min(length as usize).max(1);
    let mut cells: Vec<Vec<f64>> = vec![Vec::new(); width];
    for dot in dots {
        let column = ((dot.at - first) / length * width as f64).floor() as usize;
        cells[column.min(width - 1)].push(dot.value);
    }
    let means: Vec<Option<f64>> = cells
        .iter()
        .map(|cell| (!cell.is_empty()).then(|| cell.iter().sum::<f64>() / cell.len() as f64))
        .collect();
    let known = || means.iter().flatten().copied();
    let (least, most) =
        (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let block = |mean: f64| {
        let share = if most > least { (mean - least) / (most - least) } else { 0.0 };
        let level = (share * BLOCKS.len() as f64).floor() as usize;
        BLOCKS[level.min(BLOCKS.len() - 1)]
    };
    means.into_iter().map(|mean| mean.map_or('·', block)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_stays_a_gap_in_a_line_of_blocks() {
        let dots = |values: &[(f64, f64)]| -> Vec<Dot> {
            let dot = |(at, value): &(f64, f64)| Dot {
                at: *at,
                value: *value,
                lower: *value,
                upper: *value,
            };
            values.iter().map(dot).collect()
        };
        let values = dots(&[(0.0, 1.0), (1.0, 1.0), (4.0, 3.0), (5.0, 5.0)]);
        assert_eq!(spark(&values, 80), "▁▁··▅█");
        assert_eq!(spark(&values, 3), "▁·█");
        assert_eq!(spark(&dots(&[(7.0, 2.0)]), 80), "▁");
    }
}
