//! Fewer points where a plot has fewer pixels, without losing a peak.

use super::super::view::Dot;

/// The stretches of points that are joined: split where there is no number, or too long a way.
pub(super) fn stretches(dots: &[Dot], joined_within: f64) -> Vec<Vec<Dot>> {
    let mut stretches: Vec<Vec<Dot>> = Vec::new();
    let mut last: Option<f64> = None;
    for dot in dots {
        if !dot.value.is_finite() {
            last = None;
            continue;
        }
        let joined = last.is_some_and(|last| dot.at - last <= joined_within);
        match stretches.last_mut() {
            Some(stretch) if joined => stretch.push(*dot),
            Some(_) | None => stretches.push(vec![*dot]),
        }
        last = Some(dot.at);
    }
    stretches
}

/// At most two points a column: the least and the greatest of it, in their order. The band of
/// what they can have been keeps its outermost edges.
pub(super) fn thin(dots: &[Dot], (from, to): (f64, f64), columns: usize) -> Vec<Dot> {
    if dots.len() <= 2 * columns || columns == 0 {
        return dots.to_vec();
    }
    let column = |dot: &Dot| (((dot.at - from) / (to - from)) * columns as f64) as usize;
    let mut kept = Vec::with_capacity(2 * columns);
    for group in dots.chunk_by(|a, b| column(a) == column(b)) {
        let lower = group.iter().map(|dot| dot.lower).fold(f64::INFINITY, f64::min);
        let upper = group.iter().map(|dot| dot.upper).fold(f64::NEG_INFINITY, f64::max);
        let least = group.iter().min_by(|a, b| a.value.total_cmp(&b.value));
        let most = group.iter().max_by(|a, b| a.value.total_cmp(&b.value));
        let mut both: Vec<Dot> =
            least.into_iter().chain(most).map(|dot| Dot { lower, upper, ..*dot }).collect();
        both.sort_by(|a, b| a.at.total_cmp(&b.at));
        both.dedup_by(|a, b| a.at.to_bits() == b.at.to_bits());
        kept.extend(both);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(values: &[f64]) -> Vec<Dot> {
        let dot = |(at, value): (usize, &f64)| Dot {
            at: at as f64,
            value: *value,
            lower: value - 1.0,
            upper: value + 1.0,
        };
        values.iter().enumerate().map(dot).collect()
    }

    #[test]
    fn a_line_is_split_where_there_is_no_number() {
        let mut some = dots(&[1.0, 2.0, f64::NAN, 3.0, 4.0, 5.0]);
        some[5].at = 9.0;
        let lengths: Vec<usize> = stretches(&some, 1.5).iter().map(Vec::len).collect();
        assert_eq!(lengths, [2, 2, 1]);
    }

    #[test]
    fn a_peak_of_one_point_stays() {
        let mut values = vec![1.0; 10_000];
        values[7_777] = 99.0;
        values[3_333] = -99.0;
        let all = dots(&values);
        let few = thin(&all, (0.0, 10_000.0), 100);
        assert!(few.len() <= 200);
        assert!(few.iter().any(|dot| dot.value > 98.0) && few.iter().any(|dot| dot.value < -98.0));
        assert!(few.windows(2).all(|pair| pair[0].at < pair[1].at));
        assert!(few.iter().any(|dot| dot.upper > 99.0));
    }
}
