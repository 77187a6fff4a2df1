//! The numbers of many runs: regimes, changes, outliers, and what lies ahead.

use super::{
    Label, Width,
    axis::{self, Axis},
    canvas::{Canvas, End, Ink, draw, middle, text_width},
    thin::thin,
};
use crate::{
    number::digits,
    report::{drift::chart::Chart, text::cap, view::Dot},
};

const SIZE: f64 = 11.5;

/// Beyond so many runs in a column of pixels, whiskers would be a wall.
const WHISKERS: usize = 200;

/// Where things are.
struct Frame {
    x: Axis,
    y: Axis,
    top: f64,
    bottom: f64,
}

/// Draws a history.
pub(crate) fn history(chart: &Chart, width: Width, label: &Label<'_>) -> String {
    let pixels = width.pixels();
    let height = match width {
        Width::Wide => 330.0,
        Width::Narrow => 280.0,
    };
    let ends = range(chart);
    let marks = axis::values(ends, 6);
    let texts: Vec<String> = marks.iter().map(|mark| cap(&digits(*mark), 14)).collect();
    let widest = texts.iter().map(|text| text_width(text, SIZE)).fold(0.0, f64::max);
    let (left, top, bottom) = (widest + 14.0, 26.0, height - 30.0);
    let frame = Frame {
        x: Axis::new((chart.ends.0, left), (chart.ends.1, pixels - 8.0)),
        y: Axis::new((ends.0, bottom), (ends.1, top)),
        top,
        bottom,
    };
    draw((pixels, height), label, |canvas| {
        for (mark, text) in marks.iter().zip(&texts) {
            let y = frame.y.at(*mark);
            canvas.line(Ink::Grid, 1.0, &[(left, y), (pixels - 8.0, y)]);
            canvas.text(Ink::Faint, SIZE, End::Right, (left - 6.0, y), text);
        }
        changes(canvas, chart, &frame);
        for (from, to) in &chart.gaps {
            let (from, to) = (frame.x.at(*from), frame.x.at(*to));
            canvas.block(Ink::Gap, (from, top), (to.max(from + 2.0), bottom));
        }
        means(canvas, chart, &frame);
        cone(canvas, chart, &frame);
        boundary(canvas, chart, &frame);
        runs(canvas, chart, &frame, width);
        canvas.line(Ink::Axis, 1.0, &[(left, bottom), (pixels - 8.0, bottom)]);
        index_axis(canvas, chart, &frame, width);
    })
}

/// The runs, the boundary and the fitted means. What runs ahead can be, and what a run can have
/// been, is shown as far as it does not press them flat. Not from zero: here it is change that is looked for.
fn range(chart: &Chart) -> (f64, f64) {
    let odd = chart.outliers.iter().map(|(dot, _)| dot.value);
    let values: Vec<f64> = chart.dots.iter().map(|dot| dot.value).chain(odd).collect();
    let levels = chart.boundaries.iter().map(|(.., level)| *level);
    let seen = || values.iter().copied().filter(|value| value.is_finite()).chain(levels.clone());
    let (least, most) =
        (seen().fold(f64::INFINITY, f64::min), seen().fold(f64::NEG_INFINITY, f64::max));
    let room = (most - least) * 0.3;
    let ahead = chart.cone.iter().chain(&chart.dots).flat_map(|dot| [dot.lower, dot.upper]);
    let near = ahead.filter(|edge| (least - room..=most + room).contains(edge));
    let (least, most) =
        near.fold((least, most), |(low, high), edge| (low.min(edge), high.max(edge)));
    if !(least.is_finite() && most.is_finite()) {
        return (0.0, 1.0);
    }
    let margin = ((most - least) * 0.06).max(most.abs() * 1e-6).max(1e-12);
    (least - margin, most + margin)
}

/// A line at the first run after each change, over the places where it may have been.
fn changes(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame) {
    let mut taken = f64::NEG_INFINITY;
    for change in &chart.changes {
        let (from, to) = (frame.x.at(change.range.0 - 0.5), frame.x.at(change.range.1 + 0.5));
        canvas.block(Ink::During, (from, frame.top), (to, frame.bottom));
        let x = frame.x.at(change.at - 0.5);
        canvas.line(Ink::Fault, 1.4, &[(x, frame.top), (x, frame.bottom)]);
        let text = cap(&change.text, 20);
        let (left, right) = frame.x.pixels();
        let at = middle(&text, SIZE, x, (left, right));
        let half = text_width(&text, SIZE) / 2.0 + 4.0;
        if at - half > taken {
            canvas.text(Ink::Text, SIZE, End::Middle, (at, frame.top - 12.0), &text);
            taken = at + half;
        }
    }
}

fn means(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame) {
    let at = |dot: &Dot, value: f64| (frame.x.at(dot.at), frame.y.at(value));
    for [start, end] in &chart.means {
        let band = [
            at(start, start.upper),
            at(end, end.upper),
            at(end, end.lower),
            at(start, start.lower),
        ];
        canvas.shape(Ink::Band, &band);
    }
    for [start, end] in &chart.means {
        canvas.line(Ink::Mean, 2.0, &[at(start, start.value), at(end, end.value)]);
    }
}

fn cone(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame) {
    if chart.cone.is_empty() {
        return;
    }
    let at = |dot: &Dot, value: f64| (frame.x.at(dot.at), frame.y.at(value));
    let above = chart.cone.iter().map(|dot| at(dot, dot.upper));
    let below = chart.cone.iter().rev().map(|dot| at(dot, dot.lower));
    canvas.shape(Ink::Cone, &above.chain(below).collect::<Vec<_>>());
    let center: Vec<_> = chart.cone.iter().map(|dot| at(dot, dot.value)).collect();
    canvas.line(Ink::Cone, 1.6, &center);
}

fn boundary(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame) {
    for (from, to, level) in &chart.boundaries {
        let y = frame.y.at(*level);
        canvas.line(Ink::Bound, 1.6, &[(frame.x.at(*from), y), (frame.x.at(*to), y)]);
    }
    let Some((_, _, level)) = chart.boundaries.last() else { return };
    let y = frame.y.at(*level);
    if let Some((from, to)) = chart.crossing
        && from <= chart.ends.1
    {
        let (from, to) = (frame.x.at(from), frame.x.at(to.unwrap_or(chart.ends.1)));
        canvas.line(Ink::Bad, 4.0, &[(from, y), (to.max(from + 2.0), y)]);
    }
    let (left, right) = frame.x.pixels();
    let text = cap(&chart.boundary_text, 40);
    let at = middle(&text, SIZE, left + 60.0, (left, right));
    let beside = if y - 10.0 < frame.top { y + 11.0 } else { y - 9.0 };
    canvas.text(Ink::BoundText, SIZE, End::Middle, (at, beside), &text);
}

fn runs(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame, width: Width) {
    let (from, to) = frame.x.pixels();
    let dots = thin(&chart.dots, frame.x.ends(), (to - from) as usize);
    let at = |dot: &Dot, value: f64| (frame.x.at(dot.at), frame.y.at(value));
    let with_whiskers = chart.dots.len() <= WHISKERS;
    let odd = chart.outliers.iter().map(|(dot, _)| dot);
    for dot in dots.iter().chain(odd).filter(|dot| with_whiskers && dot.upper > dot.lower) {
        canvas.line(Ink::Ending, 1.0, &[at(dot, dot.lower), at(dot, dot.upper)]);
    }
    let radius = match (width, dots.len()) {
        (Width::Wide, 0..=150) => 2.6,
        (Width::Wide, 151..=400) | (Width::Narrow, 0..=150) => 1.9,
        (Width::Wide, _) | (Width::Narrow, _) => 1.2,
    };
    for dot in &dots {
        canvas.disc(Ink::Dot, at(dot, dot.value), radius);
    }
    for (dot, worse) in &chart.outliers {
        canvas.disc(Ink::Dot, at(dot, dot.value), radius);
        let ink = if *worse { Ink::Bad } else { Ink::Ending };
        canvas.ring(ink, 1.8, at(dot, dot.value), 5.0);
    }
}

/// The marks of the index, as dates where there are any, and where the last run is.
fn index_axis(canvas: &Canvas<'_>, chart: &Chart, frame: &Frame, width: Width) {
    let last = frame.x.at(chart.last + 0.5);
    canvas.line(Ink::Axis, 1.0, &[(last, frame.top), (last, frame.bottom)]);
    let most = match width {
        Width::Wide => 8,
        Width::Narrow => 3,
    };
    let (left, right) = frame.x.pixels();
    for mark in axis::values(frame.x.ends(), most) {
        let text = chart.label(mark);
        let x = frame.x.at(mark);
        canvas.line(Ink::Axis, 1.0, &[(x, frame.bottom), (x, frame.bottom + 4.0)]);
        let at = middle(&text, SIZE, x, (left.min(0.0), right + 8.0));
        canvas.text(Ink::Faint, SIZE, End::Middle, (at, frame.bottom + 16.0), &text);
    }
}
