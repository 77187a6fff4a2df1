//! Series of the gateway that come or go with the fault, and samples with times of their own.
//!
//! The page stays well formed: what is wrong with it is only what it says.

use std::{fmt::Write as _, time::Duration};

use homeostat::internals::time::Time;

use super::{page::sum, switchboard::Since};

const MINUTE: Duration = Duration::from_secs(60);

/// A stamp as near as this to its page is of the same moment.
const NEAR: Duration = Duration::from_millis(400);

/// What a burst counts: many times what callers ask for between two pages.
const BURST: f64 = 500.0;

/// Counts 20 from the first page on, which is more than the bound, were it taken for a burst.
const GONE: &str = "gateway_requests_total{code=\"500\",route=\"gone\"} 20\n";

/// Which series comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeriesFault {
    /// A counter of errors is first seen with many of them, and vanishes with the fault.
    ErrorsBorn,
    /// The same, and it has counted nothing.
    ZeroBorn,
    /// A counter of errors that never rises is not there during the fault.
    ErrorsGone,
    /// The counter of what went well is not there during the fault.
    RequestsGone,
}

/// Which times the samples of a page have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamps {
    /// That of the page.
    Now,
    /// That of the moment the fault began, again and again.
    Stuck,
    /// Five minutes ahead, which a wrong clock may be.
    Ahead,
    /// Two hours ahead.
    FarAhead,
    /// Half an hour behind.
    Behind,
    /// A day behind.
    FarBehind,
    /// Many errors at once, and only the errors have times: two hours ahead.
    ErrorsFarAhead,
}

/// What a page says of requests, before its samples are given times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) total: Option<f64>,
    /// Without the series that is there only to vanish: it counts no request of this run.
    pub(super) errors: f64,
}

/// Writes the series of a page anew. `gone` says whether the run is one with [`GONE`].
pub(super) fn rewrite(page: &str, fault: Option<SeriesFault>, gone: bool) -> String {
    let is_ok = |line: &str| line.starts_with("gateway_requests_total{code=\"200\"");
    let born = |value: f64| {
        format!("{page}gateway_requests_total{{code=\"500\",route=\"born\"}} {value}\n")
    };
    match fault {
        None if gone => format!("{page}{GONE}"),
        None | Some(SeriesFault::ErrorsGone) => page.to_owned(),
        Some(SeriesFault::ErrorsBorn) => born(BURST),
        Some(SeriesFault::ZeroBorn) => born(0.0),
        Some(SeriesFault::RequestsGone) => {
            page.lines().filter(|line| !is_ok(line)).map(|line| format!("{line}\n")).collect()
        }
    }
}

/// Counts a page whose samples have no times.
pub(super) fn count(page: &str) -> Counts {
    let requests = |line: &str| line.starts_with("gateway_requests_total{");
    let is_error =
        |line: &str| requests(line) && line.contains("code=\"5") && !GONE.starts_with(line);
    Counts { total: sum(page, requests), errors: sum(page, is_error).unwrap_or(0.0) }
}

/// Gives the samples of a page times, and says what of it may be taken for true.
pub(super) fn stamp(page: &str, fault: Since<Stamps>, now: Time) -> (String, Counts) {
    let errors_only = fault.what == Stamps::ErrorsFarAhead;
    let at = match fault.what {
        Stamps::Now => now,
        Stamps::Stuck => fault.from,
        Stamps::Ahead => now.plus(5 * MINUTE),
        Stamps::FarAhead | Stamps::ErrorsFarAhead => now.plus(120 * MINUTE),
        Stamps::Behind => now.minus(30 * MINUTE),
        Stamps::FarBehind => now.minus(24 * 60 * MINUTE),
    };
    let mut text = String::new();
    for line in page.lines() {
        let is_error = line.contains("code=\"503\"");
        match line.rsplit_once(' ') {
            Some((series, value)) if errors_only && is_error => {
                let value = value.parse().unwrap_or(0.0) + BURST;
                writeln!(text, "{series} {value} {}", at.as_millis()).unwrap();
            }
            Some(_) if !errors_only && !line.starts_with('#') => {
                writeln!(text, "{line} {}", at.as_millis()).unwrap();
            }
            Some(_) | None => writeln!(text, "{line}").unwrap(),
        }
    }
    let mut counts = count(page);
    if errors_only {
        // They are shown, even if nobody believes their time.
        counts.errors += BURST;
        counts.total = counts.total.map(|total| total + BURST);
    } else if now.since(at).max(at.since(now)) > NEAR {
        counts.total = None;
    }
    (text, counts)
}

#[cfg(test)]
const PAGE: &str = "# HELP gateway_requests_total By code.\n\
                    gateway_requests_total{code=\"200\",route=\"api\"} 90\n\
                    gateway_requests_total{code=\"503\",route=\"api\"} 1\n";

#[test]
fn a_series_that_vanishes_counts_no_errors() {
    let count = |fault, gone| {
        let Counts { total, errors } = count(&rewrite(PAGE, fault, gone));
        (total, errors)
    };
    assert_eq!(count(None, true), (Some(111.0), 1.0));
    assert_eq!(count(Some(SeriesFault::ErrorsGone), true), (Some(91.0), 1.0));
    assert_eq!(count(Some(SeriesFault::ErrorsBorn), false), (Some(591.0), 501.0));
    assert_eq!(count(Some(SeriesFault::RequestsGone), false), (Some(1.0), 1.0));
}

#[test]
fn a_page_of_another_time_says_nothing_of_this_one() {
    let now = Time::from_millis(1_000_000_000);
    let stamp = |what| stamp(PAGE, Since { what, from: now.minus(MINUTE) }, now);
    let (text, counts) = stamp(Stamps::Now);
    assert!(text.contains("} 90 1000000000\n") && counts.total == Some(91.0), "{text}");
    for what in [Stamps::Stuck, Stamps::Ahead, Stamps::Behind, Stamps::FarBehind] {
        assert_eq!(stamp(what).1.total, None, "{what:?}");
    }
    let (text, counts) = stamp(Stamps::ErrorsFarAhead);
    assert!(text.contains("} 90\n") && text.contains("} 501 1007200000\n"), "{text}");
    assert_eq!((counts.total, counts.errors), (Some(591.0), 501.0));
}
