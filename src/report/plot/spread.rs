//! The distribution of an indicator in each phase: a box for the quartiles, whiskers to the ends.

use super::{
    Label, Width,
    axis::{self, Axis},
    canvas::{Canvas, End, Ink, draw, middle, text_width},
};
use crate::report::{
    text::cap,
    view::{Figure, Scene, Spread},
};

const SIZE: f64 = 11.5;
const ROW: f64 = 30.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 20.0;

/// Draws the phases of an indicator as boxes, one below the other.
pub(crate) fn spread(figure: &Figure, scene: &Scene, width: Width, label: &Label<'_>) -> String {
    let pixels = width.pixels();
    let bottom = TOP + ROW * figure.spreads.len() as f64;
    let levels = figure.bounds.iter().map(|bound| bound.level);
    let ends = axis::range(figure.spreads.iter().flat_map(|s| s.five).chain(levels));
    let x = Axis::new((ends.0, LEFT), (ends.1, pixels - 12.0));
    let most = match width {
        Width::Wide => 8,
        Width::Narrow => 4,
    };
    draw((pixels, bottom + 24.0), label, |canvas| {
        for mark in axis::values(ends, most) {
            let (at, text) = (x.at(mark), cap(&figure.unit.show(mark), 14));
            canvas.line(Ink::Grid, 1.0, &[(at, TOP), (at, bottom)]);
            let inside = middle(&text, SIZE, at, (0.0, pixels));
            canvas.text(Ink::Faint, SIZE, End::Middle, (inside, bottom + 14.0), &text);
        }
        for (row, spread) in figure.spreads.iter().enumerate() {
            one(canvas, spread, x, TOP + ROW * (row as f64 + 0.5));
        }
        bounds(canvas, figure, scene, x);
    })
}

/// The bounds, each in the rows of the phases in which it counts. A label that would cover
/// another is left out: the plot over time has it.
fn bounds(canvas: &Canvas<'_>, figure: &Figure, scene: &Scene, x: Axis) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for bound in figure.bounds.iter().filter(|bound| x.holds(bound.level)) {
        let at = x.at(bound.level);
        for (row, spread) in figure.spreads.iter().enumerate() {
            let mut phases = scene.phases.iter().filter(|(phase, ..)| *phase == spread.phase);
            if phases.any(|(_, from, to)| bound.from < *to && *from < bound.to) {
                let top = TOP + ROW * row as f64;
                canvas.line(Ink::Bound, 1.6, &[(at, top + 2.0), (at, top + ROW - 2.0)]);
            }
        }
        let text = cap(&bound.text, 40);
        let middle = middle(&text, SIZE, at, (0.0, x.pixels().1 + 12.0));
        let half = text_width(&text, SIZE) / 2.0 + 4.0;
        let (from, to) = (middle - half, middle + half);
        if taken.iter().all(|(left, right)| to < *left || *right < from) {
            canvas.text(Ink::BoundText, SIZE, End::Middle, (middle, TOP - 11.0), &text);
            taken.push((from, to));
        }
    }
}

fn one(canvas: &Canvas<'_>, spread: &Spread, x: Axis, y: f64) {
    let [min, q1, median, q3, max] = spread.five.map(|value| x.at(value));
    canvas.text(Ink::Text, SIZE, End::Right, (LEFT - 10.0, y), spread.phase.name());
    canvas.line(Ink::Line, 1.2, &[(min, y), (q1, y)]);
    canvas.line(Ink::Line, 1.2, &[(q3, y), (max, y)]);
    for end in [min, max] {
        canvas.line(Ink::Line, 1.2, &[(end, y - 5.0), (end, y + 5.0)]);
    }
    canvas.block(Ink::Box, (q1, y - 8.0), (q3.max(q1 + 1.0), y + 8.0));
    canvas.frame(Ink::Line, 1.2, (q1, y - 8.0), (q3.max(q1 + 1.0), y + 8.0));
    canvas.line(Ink::Line, 2.4, &[(median, y - 8.0), (median, y + 8.0)]);
}
