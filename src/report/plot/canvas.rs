//! The one place that talks to plotters: pixels with fractions in, an SVG of the page out.

use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Polygon, Rectangle, Text},
    style::{
        Color, IntoFont, RGBColor, ShapeStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::Label;

/// Units of the SVG for one pixel: plotters has whole units only, and a line needs finer ones.
const FINE: f64 = 8.0;
/// plotters divides the size of a font by this when it writes SVG.
const FONT_RATIO: f64 = 1.24;
/// Width of an average character of a system font, as a part of its size.
const CHARACTER: f64 = 0.56;

/// What something is drawn as. The page's style sheet says how that looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// A line of the grid.
    Grid,
    /// An axis.
    Axis,
    /// Text.
    Text,
    /// Text that stands back.
    Faint,
    /// The background of *before*.
    Before,
    /// The background of *during*.
    During,
    /// The background of *after*.
    After,
    /// The line of the values.
    Line,
    /// A single value.
    Dot,
    /// The band of what the values can have been.
    Band,
    /// Where there is no number.
    Gap,
    /// A bound.
    Bound,
    /// The text of a bound.
    BoundText,
    /// Something bad: a loss, a worst point.
    Bad,
    /// Something good: a replacement that is ready.
    Good,
    /// The injection.
    Fault,
    /// A pod that is ready.
    Ready,
    /// A pod that is not ready.
    Pending,
    /// A pod whose end was asked for.
    Ending,
    /// A box of a distribution.
    Box,
    /// Cut out of what is below: the colour of the page.
    Paper,
    /// The mean of a regime.
    Mean,
    /// What runs ahead can be.
    Cone,
}

impl Ink {
    const ALL: [Self; 23] = [
        Self::Grid,
        Self::Axis,
        Self::Text,
        Self::Faint,
        Self::Before,
        Self::During,
        Self::After,
        Self::Line,
        Self::Dot,
        Self::Band,
        Self::Gap,
        Self::Bound,
        Self::BoundText,
        Self::Bad,
        Self::Good,
        Self::Fault,
        Self::Ready,
        Self::Pending,
        Self::Ending,
        Self::Box,
        Self::Paper,
        Self::Mean,
        Self::Cone,
    ];

    /// Its class in the style sheet, after `f-` for what is filled and `s-` for what is a line.
    fn class(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Axis => "axis",
            Self::Text => "text",
            Self::Faint => "faint",
            Self::Before => "before",
            Self::During => "during",
            Self::After => "after",
            Self::Line => "line",
            Self::Dot => "dot",
            Self::Band => "band",
            Self::Gap => "gap",
            Self::Bound => "bound",
            Self::BoundText => "bound-text",
            Self::Bad => "bad",
            Self::Good => "good",
            Self::Fault => "fault",
            Self::Ready => "ready",
            Self::Pending => "pending",
            Self::Ending => "ending",
            Self::Box => "box",
            Self::Paper => "paper",
            Self::Mean => "mean",
            Self::Cone => "cone",
        }
    }

    /// The colour that stands for it until [`restyle`] puts its class in its place.
    fn stand_in(self) -> RGBColor {
        RGBColor(1, 2, self as u8)
    }
}

/// Which end of a text stands at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its beginning.
    Left,
    /// Its middle.
    Middle,
    /// Its end.
    Right,
}

/// Something to draw on, in pixels from the upper left corner.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws a plot of a size and gives its SVG.
pub(super) fn draw(
    (width, height): (f64, f64),
    label: &Label<'_>,
    paint: impl FnOnce(&Canvas<'_>),
) -> String {
    let mut svg = String::new();
    {
        let size = (unit(width) as u32, unit(height) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let canvas = Canvas { area };
        paint(&canvas);
        canvas.area.present().expect(NEVER);
    }
    restyle(&svg, (width, height), label)
}

const NEVER: &str = "writing to a string does not fail";

impl Canvas<'_> {
    /// A line through points.
    pub(super) fn line(&self, ink: Ink, width: f64, points: &[(f64, f64)]) {
        let path: Vec<_> = points.iter().map(|point| place(*point)).collect();
        if path.len() > 1 {
            self.area.draw(&PathElement::new(path, stroke(ink, width))).expect(NEVER);
        }
    }

    /// A filled shape.
    pub(super) fn shape(&self, ink: Ink, points: &[(f64, f64)]) {
        let path: Vec<_> = points.iter().map(|point| place(*point)).collect();
        self.area.draw(&Polygon::new(path, ink.stand_in().filled())).expect(NEVER);
    }

    /// A filled rectangle.
    pub(super) fn block(&self, ink: Ink, from: (f64, f64), to: (f64, f64)) {
        let corners = [place(from), place(to)];
        self.area.draw(&Rectangle::new(corners, ink.stand_in().filled())).expect(NEVER);
    }

    /// The outline of a rectangle.
    pub(super) fn frame(&self, ink: Ink, width: f64, from: (f64, f64), to: (f64, f64)) {
        self.line(ink, width, &[from, (to.0, from.1), to, (from.0, to.1), from]);
    }

    /// A filled disc.
    pub(super) fn disc(&self, ink: Ink, at: (f64, f64), radius: f64) {
        let circle = Circle::new(place(at), unit(radius), ink.stand_in().filled());
        self.area.draw(&circle).expect(NEVER);
    }

    /// A circle.
    pub(super) fn ring(&self, ink: Ink, width: f64, at: (f64, f64), radius: f64) {
        let circle = Circle::new(place(at), unit(radius), stroke(ink, width));
        self.area.draw(&circle).expect(NEVER);
    }

    /// A text whose middle line is at a height.
    pub(super) fn text(&self, ink: Ink, size: f64, end: End, at: (f64, f64), text: &str) {
        let h = match end {
            End::Left => HPos::Left,
            End::Middle => HPos::Center,
            End::Right => HPos::Right,
        };
        let font = ("sans-serif", size * FINE * FONT_RATIO).into_font();
        let style = font.color(&ink.stand_in()).pos(Pos::new(h, VPos::Center));
        self.area.draw(&Text::new(text, place(at), style)).expect(NEVER);
    }
}

/// About how wide a text is, in pixels: there is no font here to ask.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * CHARACTER
}

/// Where a text's middle goes so that the text stays between two pixels; too long a text begins
/// at the first.
pub(super) fn middle(text: &str, size: f64, at: f64, (left, right): (f64, f64)) -> f64 {
    let half = text_width(text, size) / 2.0;
    at.min(right - half).max(left + half)
}

fn place((x, y): (f64, f64)) -> (i32, i32) {
    (unit(x), unit(y))
}

fn unit(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

fn stroke(ink: Ink, width: f64) -> ShapeStyle {
    ink.stand_in().stroke_width(unit(width).max(1) as u32)
}

/// Gives an SVG of plotters a name, and classes in place of colours and fonts.
///
/// Only attributes are touched: a quote inside a text is escaped, so no text can look like one.
fn restyle(svg: &str, (width, height): (f64, f64), label: &Label<'_>) -> String {
    let body = svg.split_once('\n').map_or("", |(_, body)| body);
    let mut body = body.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
    for ink in Ink::ALL {
        let RGBColor(r, g, b) = ink.stand_in();
        let (colour, class) = (format!("#{r:02X}{g:02X}{b:02X}"), ink.class());
        body = body
            .replace(&format!("fill=\"{colour}\""), &format!("class=\"f-{class}\""))
            .replace(&format!("stroke=\"{colour}\""), &format!("class=\"s-{class}\""));
    }
    let (id, title, description) = (&label.id, escape(label.title), escape(label.description));
    format!(
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-labelledby=\"{id}-t {id}-d\">\n<title id=\"{id}-t\">{title}</title>\
         <desc id=\"{id}-d\">{description}</desc>\n{body}",
        unit(width),
        unit(height),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label<'static> {
        Label { id: "p".to_owned(), title: "a <title>", description: "\"d\"" }
    }

    #[test]
    fn an_svg_holds_classes_and_no_colours() {
        let svg = draw((100.0, 50.0), &label(), |canvas| {
            canvas.line(Ink::Bound, 1.0, &[(0.0, 0.0), (99.5, 10.0)]);
            canvas.text(Ink::Faint, 12.0, End::Left, (1.0, 1.0), "fill=\"#010200\" & <b>");
        });
        assert!(svg.contains("class=\"s-bound\"") && svg.contains("class=\"f-faint\""), "{svg}");
        assert!(svg.contains("fill=&quot;#010200&quot; &amp; &lt;b&gt;"), "{svg}");
        assert!(svg.contains("a &lt;title&gt;") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("796,80"), "half pixels are kept: {svg}");
    }

    #[test]
    fn every_ink_has_its_own_stand_in() {
        for (place, ink) in Ink::ALL.into_iter().enumerate() {
            assert_eq!(ink.stand_in(), RGBColor(1, 2, place as u8));
        }
    }
}
