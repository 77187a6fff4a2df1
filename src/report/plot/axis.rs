//! Axes: where the marks are, and from values to pixels.

/// From values to pixels, along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    from: (f64, f64),
    to: (f64, f64),
}

impl Axis {
    /// An axis on which `from.0` is at pixel `from.1`, and `to.0` at pixel `to.1`.
    pub(super) fn new(from: (f64, f64), to: (f64, f64)) -> Self {
        Self { from, to }
    }

    /// The pixel of a value; what lies outside stays at the edge.
    pub(super) fn at(self, value: f64) -> f64 {
        let width = self.to.0 - self.from.0;
        let share = if width > 0.0 { (value - self.from.0) / width } else { 0.0 };
        self.from.1 + share.clamp(0.0, 1.0) * (self.to.1 - self.from.1)
    }

    /// Whether a value lies on it.
    pub(super) fn holds(self, value: f64) -> bool {
        self.from.0 <= value && value <= self.to.0
    }

    /// The least and the greatest value.
    pub(super) fn ends(self) -> (f64, f64) {
        (self.from.0, self.to.0)
    }

    /// The first and the last pixel.
    pub(super) fn pixels(self) -> (f64, f64) {
        (self.from.1, self.to.1)
    }
}

/// Steps of time that people count in, seconds.
const TIMES: [f64; 22] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0,
    3600.0, 7200.0, 14400.0, 21600.0, 43200.0, 86400.0, 172_800.0,
];

/// Marks of an axis of time, at most about `most`; zero is one of them when it is on the axis.
pub(super) fn times((from, to): (f64, f64), most: usize) -> Vec<f64> {
    let width = (to - from).max(0.0);
    let fits = |step: &&f64| width / **step <= most as f64;
    let step = TIMES.iter().find(fits).copied().unwrap_or(width);
    multiples((from, to), step)
}

/// Marks of an axis of values, at most about `most`, at round numbers.
pub(super) fn values((from, to): (f64, f64), most: usize) -> Vec<f64> {
    let width = to - from;
    if !(width.is_finite() && width > 0.0) {
        return vec![from];
    }
    let rough = width / most.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= rough);
    multiples((from, to), step.unwrap_or(rough))
}

/// The range of an axis of values that shows all of `seen`. It starts at zero unless that would
/// press what there is to see into a corner: room is only seen against the whole.
pub(super) fn range(seen: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = seen.into_iter().filter(|value| value.is_finite());
    let ends = finite.fold(None, |ends: Option<(f64, f64)>, value| {
        let (least, most) = ends.unwrap_or((value, value));
        Some((least.min(value), most.max(value)))
    });
    let Some((least, most)) = ends else { return (0.0, 1.0) };
    let room = (most - least).max(most.abs() * 1e-3);
    match (least, most) {
        (least, most) if least >= 0.0 && most > 0.0 && least <= 0.8 * most => (0.0, most * 1.18),
        (0.0, 0.0) => (0.0, 1.0),
        (least, most) => (least - room * 0.18, most + room * 0.18),
    }
}

fn multiples((from, to): (f64, f64), step: f64) -> Vec<f64> {
    if step <= 0.0 {
        return vec![from];
    }
    let first = (from / step - 1e-9).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_people_look_for_them() {
        assert_eq!(times((-60.0, 100.0), 6), [-60.0, -30.0, 0.0, 30.0, 60.0, 90.0]);
        assert_eq!(times((-300.0, 420.0), 8), [-240.0, -120.0, 0.0, 120.0, 240.0, 360.0]);
        let marks = values((0.0, 0.24), 5);
        assert_eq!(marks.len(), 5, "{marks:?}");
        assert_eq!(values((3.0, 3.0), 5), [3.0]);
    }

    #[test]
    fn room_is_seen_from_zero_unless_that_hides_the_rest() {
        assert_eq!(range([0.1, 0.2]), (0.0, 0.2 * 1.18));
        let (from, to) = range([1_000.0, 1_001.0]);
        assert!(from > 999.0 && to < 1_002.0);
        assert_eq!(range([f64::NAN, f64::INFINITY]), (0.0, 1.0));
        assert_eq!(range([0.0]), (0.0, 1.0));
        let (from, to) = range([-5.0, 5.0]);
        assert!(from < -5.0 && to > 5.0);
    }

    #[test]
    fn what_lies_outside_stays_at_the_edge() {
        let axis = Axis::new((0.0, 100.0), (10.0, 0.0));
        let pixels = [-5.0, 0.0, 5.0, 99.0].map(|value| axis.at(value).round() as i64);
        assert_eq!(pixels, [100, 100, 50, 0]);
    }
}
