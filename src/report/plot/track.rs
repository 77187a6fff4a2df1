//! An indicator over time: phases, bound, what the values can have been, gaps, marks.

use super::{
    Label, Width,
    axis::{self, Axis},
    canvas::{Canvas, End, Ink, draw, middle, text_width},
    thin::{stretches, thin},
};
use crate::{
    report::{
        text::{cap, relative},
        view::{BoundLine, Dot, Figure, Scene, Side},
    },
    window::Phase,
};

const SIZE: f64 = 11.5;
/// How many characters a label in a plot may have.
const LONGEST: usize = 40;

/// Where things are: the two axes, and the strip of marks under the plot.
struct Frame {
    x: Axis,
    y: Axis,
    strip: f64,
}

/// Draws an indicator over time.
pub(crate) fn track(figure: &Figure, scene: &Scene, width: Width, label: &Label<'_>) -> String {
    let pixels = width.pixels();
    let height = match width {
        Width::Wide => 270.0,
        Width::Narrow => 240.0,
    };
    let ends = range(figure);
    let marks = axis::values(ends, 5);
    let texts: Vec<String> = marks.iter().map(|mark| cap(&figure.unit.show(*mark), 14)).collect();
    let widest = texts.iter().map(|text| text_width(text, SIZE)).fold(0.0, f64::max);
    // The same for most units, so that the plots of a page stand under each other in time.
    let least: f64 = match width {
        Width::Wide => 72.0,
        Width::Narrow => 50.0,
    };
    let (left, bottom) = (least.max(widest + 12.0), height - 40.0);
    let frame = Frame {
        x: Axis::new((scene.start, left), (scene.end, pixels - 8.0)),
        y: Axis::new((ends.0, bottom), (ends.1, 22.0)),
        strip: bottom + 9.0,
    };
    draw((pixels, height), label, |canvas| {
        ground(canvas, scene, frame.x, (22.0, bottom));
        for (mark, text) in marks.iter().zip(&texts) {
            let y = frame.y.at(*mark);
            canvas.line(Ink::Grid, 1.0, &[(left, y), (pixels - 8.0, y)]);
            canvas.text(Ink::Faint, SIZE, End::Right, (left - 6.0, y), text);
        }
        gaps(canvas, figure, &frame);
        values(canvas, figure, &frame);
        bounds(canvas, figure, &frame);
        injection(canvas, scene, frame.x, (22.0, bottom));
        worst(canvas, figure, &frame);
        strip(canvas, scene, &frame);
        canvas.line(Ink::Axis, 1.0, &[(left, bottom), (pixels - 8.0, bottom)]);
        time_axis(canvas, frame.x, bottom + 28.0, width);
    })
}

/// Where the values, the bounds and the worst that was seen are. The upper bound of a wide bucket may
/// lie far above all of them, and is cut rather than pressing them flat.
fn range(figure: &Figure) -> (f64, f64) {
    let bounds = figure.bounds.iter().map(|bound| bound.level);
    let worst = figure.worst.iter().map(|mark| mark.value);
    let values = figure.dots.iter().map(|dot| dot.value).chain(worst);
    let seen = || values.clone().filter(|value| value.is_finite());
    let most = seen().chain(bounds.clone()).fold(0.0, f64::max);
    let band = figure.dots.iter().flat_map(|dot| [dot.lower, dot.upper]);
    let near = band.filter(|edge| (0.0..=most * 1.15).contains(edge));
    axis::range(seen().chain(bounds).chain(near))
}

/// The phases as backgrounds, with their names above.
pub(super) fn ground(canvas: &Canvas<'_>, scene: &Scene, x: Axis, (top, bottom): (f64, f64)) {
    for (phase, from, to) in &scene.phases {
        let ink = match phase {
            Phase::Before => Ink::Before,
            Phase::During => Ink::During,
            Phase::After => Ink::After,
        };
        let (from, to) = (x.at(*from), x.at(*to));
        canvas.block(ink, (from, top), (to, bottom));
        if to - from >= text_width(phase.name(), SIZE) {
            let middle = ((from + to) / 2.0, top - 10.0);
            canvas.text(Ink::Faint, SIZE, End::Middle, middle, phase.name());
        }
    }
}

/// The moments at which the injector acted; those at one pixel are one line.
pub(super) fn injection(canvas: &Canvas<'_>, scene: &Scene, x: Axis, (top, bottom): (f64, f64)) {
    let mut drawn: Option<f64> = None;
    for act in scene.acts.iter().filter(|act| x.holds(**act)) {
        let at = x.at(*act);
        if drawn.is_none_or(|last| at - last >= 1.0) {
            canvas.line(Ink::Fault, 1.2, &[(at, top), (at, bottom)]);
            drawn = Some(at);
        }
    }
}

fn gaps(canvas: &Canvas<'_>, figure: &Figure, frame: &Frame) {
    let (bottom, top) = frame.y.pixels();
    for (from, to) in &figure.gaps {
        let (from, to) = (frame.x.at(*from), frame.x.at(*to));
        // Narrower than two pixels, a gap would vanish among the lines.
        canvas.block(Ink::Gap, (from, top), (to.max(from + 2.0), bottom));
    }
}

fn values(canvas: &Canvas<'_>, figure: &Figure, frame: &Frame) {
    let (from, to) = frame.x.pixels();
    let columns = (to - from) as usize;
    let stretches: Vec<_> = stretches(&figure.dots, figure.joined_within)
        .into_iter()
        .map(|stretch| thin(&stretch, frame.x.ends(), columns))
        .collect();
    let at = |time: f64, value: f64| (frame.x.at(time), frame.y.at(value));
    for stretch in &stretches {
        if stretch.iter().any(|dot| dot.upper > dot.lower) {
            canvas.shape(Ink::Band, &band(stretch, figure.joined_within / 3.0, &at));
        }
    }
    for stretch in &stretches {
        let path: Vec<_> = stretch.iter().map(|dot| at(dot.at, dot.value)).collect();
        match path.as_slice() {
            [one] => canvas.disc(Ink::Dot, *one, 1.6),
            path => canvas.line(Ink::Line, 1.7, path),
        }
    }
}

/// The outline of what values can have been: in steps, because a bucket is left at once.
fn band(stretch: &[Dot], half_step: f64, at: &impl Fn(f64, f64) -> (f64, f64)) -> Vec<(f64, f64)> {
    let step = |dot: &Dot, edge: f64| [at(dot.at - half_step, edge), at(dot.at + half_step, edge)];
    let above = stretch.iter().flat_map(|dot| step(dot, dot.upper));
    let below = stretch.iter().rev().flat_map(|dot| {
        let [left, right] = step(dot, dot.lower);
        [right, left]
    });
    above.chain(below).collect()
}

fn bounds(canvas: &Canvas<'_>, figure: &Figure, frame: &Frame) {
    let (left, right) = frame.x.pixels();
    for bound in figure.bounds.iter().filter(|bound| frame.y.holds(bound.level)) {
        let y = frame.y.at(bound.level);
        let (from, to) = (frame.x.at(bound.from), frame.x.at(bound.to));
        canvas.line(Ink::Bound, 1.6, &[(from, y), (to, y)]);
        // The label goes where the line counts, and never out of the plot.
        let text = cap(&bound.text, LONGEST);
        let at = middle(&text, SIZE, (from + to) / 2.0, (left, right));
        let label = (at, label_height(bound, frame));
        canvas.text(Ink::BoundText, SIZE, End::Middle, label, &text);
    }
}

/// The label of a bound stands on its outer side, where the values should not be.
fn label_height(bound: &BoundLine, frame: &Frame) -> f64 {
    let y = frame.y.at(bound.level);
    match bound.inside {
        Side::Below => y - 8.0,
        Side::Above => y + 9.0,
    }
}

fn worst(canvas: &Canvas<'_>, figure: &Figure, frame: &Frame) {
    let (left, right) = frame.x.pixels();
    for mark in &figure.worst {
        let (x, y) = (frame.x.at(mark.at), frame.y.at(mark.value));
        canvas.ring(Ink::Bad, 1.8, (x, y), 4.5);
        let text = cap(&mark.text, LONGEST);
        let width = text_width(&text, SIZE);
        let (end, at) = if x + 9.0 + width <= right {
            (End::Left, x + 9.0)
        } else if x - 9.0 - width >= left {
            (End::Right, x - 9.0)
        } else {
            (End::Middle, middle(&text, SIZE, x, (left, right)))
        };
        // Away from the other values, unless a bound's label is there.
        let sides = match mark.side {
            Side::Above => [y - 9.0, y + 13.0],
            Side::Below => [y + 13.0, y - 9.0],
        };
        let crowded = figure.bounds.iter().any(|bound| {
            let near = (sides[0] - label_height(bound, frame)).abs() < 14.0;
            near && (bound.from..=bound.to).contains(&mark.at)
        });
        let y = if crowded { sides[1] } else { sides[0] };
        canvas.text(Ink::Text, SIZE, end, (at, y), &text);
    }
}

/// Under the plot: a triangle down for each pod lost, one up for each replacement ready.
fn strip(canvas: &Canvas<'_>, scene: &Scene, frame: &Frame) {
    let y = frame.strip;
    for lost in &scene.lost {
        let x = frame.x.at(*lost);
        canvas.shape(Ink::Bad, &[(x - 4.0, y - 4.0), (x + 4.0, y - 4.0), (x, y + 4.0)]);
    }
    for ready in &scene.ready {
        let x = frame.x.at(*ready);
        canvas.shape(Ink::Good, &[(x - 4.0, y + 4.0), (x + 4.0, y + 4.0), (x, y - 4.0)]);
    }
}

/// The marks of time, in seconds from zero.
pub(super) fn time_axis(canvas: &Canvas<'_>, x: Axis, y: f64, width: Width) {
    let most = match width {
        Width::Wide => 10,
        Width::Narrow => 5,
    };
    let (left, right) = x.pixels();
    for mark in axis::times(x.ends(), most) {
        let text = relative(mark);
        let at = middle(&text, SIZE, x.at(mark), (left.min(0.0), right + 8.0));
        canvas.text(Ink::Faint, SIZE, End::Middle, (at, y), &text);
    }
}
