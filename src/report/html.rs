//! `report.html`: one self-contained page. No script, no address, nothing fetched.
//!
//! The template lays out the [`View`]; whatever text it puts in is escaped, except the plots and
//! the style sheet, which are made here. Should a text still get through as markup, the page's
//! policy lets nothing of it act: no script, no style but the one sheet, no address.

use askama::Template;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

use super::{
    View,
    plot::{self, Label, Width},
    view::{CheckView, Fact, Figure, Finding, Gauge, LaneState},
};

/// The style sheet, put into the page.
pub(super) const CSS: &str = include_str!("templates/report.css");

#[derive(Template)]
#[template(path = "report.html", config = "src/report/askama.toml")]
struct Page<'a> {
    view: &'a View,
    css: &'static str,
    policy: String,
    gauge: Option<String>,
    checks: Checks<'a>,
    steady: Checks<'a>,
    findings: [(&'static str, &'a [Finding]); 2],
    figures: Vec<Drawn<'a>>,
    lanes: Option<Plot>,
    ledger: Facts<'a>,
    method: Facts<'a>,
    provenance: Facts<'a>,
}

/// A table of checks.
#[derive(Template)]
#[template(path = "checks.html", config = "src/report/askama.toml")]
struct Checks<'a> {
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    check: &'a CheckView,
    gauge: Option<String>,
}

/// A plot in both widths.
#[derive(Template)]
#[template(path = "plot.html", config = "src/report/askama.toml")]
pub(super) struct Plot {
    wide: String,
    narrow: String,
}

struct Drawn<'a> {
    figure: &'a Figure,
    over_time: Plot,
    spread: Option<Plot>,
}

pub(super) fn render(view: &View) -> String {
    let page = Page {
        view,
        css: CSS,
        policy: policy(),
        gauge: view.gauge.map(gauge),
        checks: checks(&view.checks),
        steady: checks(&view.steady),
        findings: [
            ("Evidence: was it real?", &view.fault.evidence),
            ("Mechanism: what should absorb it?", &view.fault.mechanisms),
        ],
        figures: view.figures.iter().enumerate().map(|(n, f)| drawn(view, n, f)).collect(),
        lanes: (!view.lanes.is_empty()).then(|| lanes(view)),
        ledger: Facts { facts: &view.trust.ledger },
        method: Facts { facts: &view.trust.method },
        provenance: Facts { facts: &view.provenance },
    };
    let mut html = page.render().expect("writing to a string does not fail");
    if !html.ends_with('\n') {
        html.push('\n');
    }
    html
}

/// What the page may do: show itself, in the style that was written for it. The one image is the
/// empty icon, without which a browser asks the server for one.
pub(super) fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(CSS));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'"
    )
}

/// A list of names and what is to be said of them.
#[derive(Template)]
#[template(path = "facts.html", config = "src/report/askama.toml")]
pub(super) struct Facts<'a> {
    pub(super) facts: &'a [Fact],
}

fn checks(checks: &[CheckView]) -> Checks<'_> {
    let rows = checks.iter().map(|check| Row { check, gauge: check.gauge.map(gauge) });
    Checks { rows: rows.collect() }
}

pub(super) fn both(
    title: &str,
    description: &str,
    id: &str,
    draw: impl Fn(Width, &Label<'_>) -> String,
) -> Plot {
    let label = |end: &str| Label { id: format!("{id}-{end}"), title, description };
    Plot { wide: draw(Width::Wide, &label("w")), narrow: draw(Width::Narrow, &label("n")) }
}

fn drawn<'a>(view: &View, number: usize, figure: &'a Figure) -> Drawn<'a> {
    let title = format!("{} over time", figure.name);
    let over_time =
        both(&title, &figure.description, &format!("track-{number}"), |width, label| {
            plot::track(figure, &view.scene, width, label)
        });
    let title = format!("{} in each phase", figure.name);
    let spread = (!figure.spreads.is_empty()).then(|| {
        both(&title, &figure.description, &format!("spread-{number}"), |width, label| {
            plot::spread(figure, &view.scene, width, label)
        })
    });
    Drawn { figure, over_time, spread }
}

fn lanes(view: &View) -> Plot {
    let said: Vec<String> = view
        .fault
        .recovered
        .iter()
        .map(|pod| {
            format!("{} lost at {}, replaced by {}, {}", pod.pod, pod.lost, pod.by, pod.ready)
        })
        .collect();
    let ready = |lane: &super::view::Lane| lane.spans.iter().any(|s| s.state == LaneState::Ready);
    let description = format!(
        "{} pods, {} of them ready at some time. {}",
        view.lanes.len(),
        view.lanes.iter().filter(|lane| ready(lane)).count(),
        said.join("; ")
    );
    both("Pods over time", &description, "lanes", |width, label| {
        plot::lanes(&view.lanes, &view.scene, width, label)
    })
}

/// A margin as a bar: the room that was used, out of the room up to the bound's mark.
fn gauge(gauge: Gauge) -> String {
    const WIDTH: f64 = 200.0;
    let x = |used: f64| used / Gauge::LONGEST * WIDTH;
    let (used, bound) = (x(gauge.used), x(1.0));
    let (least, most) = (x(gauge.between.0), x(gauge.between.1));
    let state = if gauge.used > 1.0 { "over" } else { "used" };
    let range = if most - least >= 1.0 {
        format!(
            "<path class=\"g-range\" d=\"M{least:.1} 8H{most:.1}M{least:.1} 5v6M{most:.1} 5v6\"/>"
        )
    } else {
        String::new()
    };
    format!(
        "<svg class=\"gauge\" viewBox=\"0 0 200 16\" aria-hidden=\"true\">\
         <rect class=\"g-room\" x=\"0\" y=\"3\" width=\"{bound:.1}\" height=\"10\"/>\
         <rect class=\"g-{state}\" x=\"0\" y=\"3\" width=\"{used:.1}\" height=\"10\"/>{range}\
         <path class=\"g-bound\" d=\"M{bound:.1} 0v16\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use crate::report::{Format, Style, View, fixture, render};

    fn html(sample: &fixture::Sample) -> String {
        render(&View::new(&sample.subject()), Format::Html, Style::default())
    }

    #[test]
    fn a_page_fetches_nothing_and_runs_nothing() {
        let html = html(&fixture::held());
        for word in ["<script", "<img", "<iframe", "src=", "@import", "url(h", "onload="] {
            assert!(!html.contains(word), "the page has `{word}`");
        }
        // An empty icon, so that a browser does not ask the server for one.
        assert_eq!(html.matches("href=").count(), html.matches("href=\"data:,\"").count());
        assert!(html.contains("default-src 'none'; style-src 'sha256-"));
        // What a policy without `unsafe-inline` would block.
        assert!(!html.contains("style=") && html.matches("<style").count() == 1);
    }

    #[test]
    fn a_page_has_every_plot_in_both_widths() {
        let html = html(&fixture::held());
        // Four indicators over time and by phase, and the pods.
        assert_eq!(html.matches("role=\"img\"").count(), 2 * (4 + 4 + 1));
        let mut ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"').map(|(id, _)| id))
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "ids are unique");
    }

    #[test]
    fn a_run_without_a_fault_has_a_page_too() {
        let html = html(&fixture::not_injected());
        assert!(html.contains("INCONCLUSIVE") && html.contains("Nothing was injected."));
    }

    #[test]
    fn no_colour_stands_in_the_plots() {
        let html = html(&fixture::held());
        let (_, plots) = html.split_once("</style>").unwrap();
        assert!(!plots.contains("fill=\"#") && !plots.contains("stroke=\"#"));
    }
}
