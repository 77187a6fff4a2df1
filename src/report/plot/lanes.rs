//! Pods as lanes: pending, ready, ending; where one was lost, and what came in its place.

use super::{
    Label, Width,
    axis::Axis,
    canvas::{Canvas, End, Ink, draw, text_width},
    track::{ground, injection, time_axis},
};
use crate::report::{
    text::cap,
    view::{Lane, LaneSpan, LaneState, Scene},
};

const SIZE: f64 = 11.5;
const ROW: f64 = 20.0;
const TOP: f64 = 22.0;

/// Draws each pod as a lane.
pub(crate) fn lanes(lanes: &[Lane], scene: &Scene, width: Width, label: &Label<'_>) -> String {
    let pixels = width.pixels();
    let name = |lane: &Lane| match width {
        Width::Wide => cap(&lane.name, 30),
        Width::Narrow => cap(&lane.short, 12),
    };
    let names: Vec<String> = lanes.iter().map(name).collect();
    let left = names.iter().map(|name| text_width(name, SIZE)).fold(0.0, f64::max) + 14.0;
    let bottom = TOP + ROW * lanes.len() as f64 + 4.0;
    let x = Axis::new((scene.start, left), (scene.end, pixels - 8.0));
    let middle = |row: usize| TOP + ROW * (row as f64 + 0.5) + 2.0;
    draw((pixels, bottom + 24.0), label, |canvas| {
        ground(canvas, scene, x, (TOP, bottom));
        injection(canvas, scene, x, (TOP, bottom));
        for (row, (lane, name)) in lanes.iter().zip(&names).enumerate() {
            let y = middle(row);
            canvas.text(Ink::Text, SIZE, End::Right, (left - 8.0, y), name);
            for span in &lane.spans {
                block(canvas, span, x, y);
            }
        }
        for (row, lane) in lanes.iter().enumerate() {
            let Some(lost) = lane.hit else { continue };
            let (at, y) = (x.at(lost), middle(row));
            if let Some(other) = lane.replaced_by {
                arrow(canvas, at, (y, middle(other)));
            }
            cross(canvas, at, y);
        }
        canvas.line(Ink::Axis, 1.0, &[(left, bottom), (pixels - 8.0, bottom)]);
        time_axis(canvas, x, bottom + 14.0, width);
    })
}

/// States differ in height as well as in colour.
fn block(canvas: &Canvas<'_>, span: &LaneSpan, x: Axis, y: f64) {
    let (from, to) = (x.at(span.from), x.at(span.to));
    match span.state {
        LaneState::Ready => canvas.block(Ink::Ready, (from, y - 6.0), (to, y + 6.0)),
        LaneState::Pending => {
            canvas.block(Ink::Pending, (from, y - 6.0), (to, y + 6.0));
            canvas.frame(Ink::Pending, 1.0, (from, y - 6.0), (to, y + 6.0));
        }
        LaneState::Ending => canvas.block(Ink::Ending, (from, y - 2.0), (to, y + 2.0)),
    }
}

fn cross(canvas: &Canvas<'_>, x: f64, y: f64) {
    for ink_width in [(Ink::Paper, 5.0), (Ink::Bad, 2.2)] {
        let (ink, width) = ink_width;
        canvas.line(ink, width, &[(x - 4.5, y - 4.5), (x + 4.5, y + 4.5)]);
        canvas.line(ink, width, &[(x - 4.5, y + 4.5), (x + 4.5, y - 4.5)]);
    }
}

/// From a lost pod to the lane of its replacement.
fn arrow(canvas: &Canvas<'_>, x: f64, (from, to): (f64, f64)) {
    let tip = if to > from { to - 7.0 } else { to + 7.0 };
    let back = if to > from { tip - 5.0 } else { tip + 5.0 };
    canvas.line(Ink::Bad, 1.2, &[(x, from), (x, tip)]);
    canvas.shape(Ink::Bad, &[(x - 3.0, back), (x + 3.0, back), (x, tip)]);
}
