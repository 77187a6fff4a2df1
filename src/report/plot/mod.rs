//! Plots as inline SVG, drawn by plotters into memory.
//!
//! The plots of one run share an axis of time. Each is drawn twice, wide and narrow, and the page
//! shows the one that fits: text in an SVG shrinks with it, and would be unreadable on a phone.
//! Colours are not in the SVG but in the page's style sheet, so that they follow its scheme.

mod axis;
mod canvas;
mod history;
mod lanes;
mod spread;
mod thin;
mod track;

pub(super) use history::history;
pub(super) use lanes::lanes;
pub(super) use spread::spread;
pub(super) use track::track;

/// How wide a plot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// For a desktop, and for paper.
    Wide,
    /// For a phone.
    Narrow,
}

impl Width {
    /// Its pixels.
    fn pixels(self) -> f64 {
        match self {
            Self::Wide => 920.0,
            Self::Narrow => 350.0,
        }
    }
}

/// What is said of a plot to those who cannot see it.
pub(super) struct Label<'a> {
    /// A part of the ids in the SVG; unique on the page.
    pub(super) id: String,
    /// Its title.
    pub(super) title: &'a str,
    /// What it shows.
    pub(super) description: &'a str,
}
