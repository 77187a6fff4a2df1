//! The report on a history as one self-contained page, with the look and the rules of `report.html`.

use askama::Template;

use super::{DriftView, Tone};
use crate::report::{
    html::{CSS, Facts, Plot, both, policy},
    plot,
};

#[derive(Template)]
#[template(path = "drift.html", config = "src/report/askama.toml")]
struct Page<'a> {
    view: &'a DriftView,
    css: &'static str,
    policy: String,
    plot: Option<Plot>,
    method: Facts<'a>,
}

pub(super) fn render(view: &DriftView) -> String {
    let drawn = !(view.chart.dots.is_empty() && view.chart.outliers.is_empty());
    let title = format!("{} over its runs", view.name);
    let page = Page {
        view,
        css: CSS,
        policy: policy(),
        plot: drawn.then(|| {
            both(&title, &view.chart.description, "history", |width, label| {
                plot::history(&view.chart, width, label)
            })
        }),
        method: Facts { facts: &view.method },
    };
    let mut html = page.render().expect("writing to a string does not fail");
    if !html.ends_with('\n') {
        html.push('\n');
    }
    html
}

impl DriftView {
    /// The class of the banner.
    fn banner(&self) -> &'static str {
        match self.tone {
            Tone::Good => "pass",
            Tone::Bad => "fail",
            Tone::Unsure | Tone::Plain => "inconclusive",
        }
    }
}
