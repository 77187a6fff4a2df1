//! What a history says, in words: every number becomes text here, once.

use super::{Chart, DriftSubject, DriftView, RegimeRow, json};
use crate::{
    drift::{
        Alert, Change, Direction, Estimate, Family, Finding, Forecast, Least, Needs, NoCrossing,
        Reason, Regime, Sensitivity, TrendAnswer,
    },
    number::{Unit, digits},
    report::{
        text::{count, list, plain, sentence},
        view::{Answer, Fact, Tone},
    },
};

/// How many changes or outliers are named one by one.
const MOST: usize = 12;

pub(super) fn view(subject: &DriftSubject<'_>) -> DriftView {
    let finding = subject.finding;
    let (word, tone) = match (finding.is_drifting(), finding.family) {
        (true, _) => ("DRIFTING", Tone::Bad),
        (false, _) if forming(subject).is_some() => ("NOT SURE YET", Tone::Unsure),
        (false, Family::CannotTell) => ("CANNOT TELL", Tone::Unsure),
        (false, Family::Steady) => ("STEADY", Tone::Good),
        (false, Family::Stepped | Family::Drifting | Family::Mixed) => ("NOT WORSE", Tone::Good),
    };
    DriftView {
        name: plain(subject.name),
        tone,
        word,
        headline: headline(subject),
        answers: vec![
            steady(subject),
            worse(subject),
            ahead(subject),
            next(subject),
            trust(subject),
        ],
        regimes: regimes(subject),
        method: method(subject),
        chart: Chart::new(subject, description(subject)),
        document: json::Document::new(subject),
    }
}

fn headline(subject: &DriftSubject<'_>) -> String {
    let finding = subject.finding;
    if !finding.alerts.is_empty() {
        let said: Vec<String> =
            finding.alerts.iter().map(|alert| alerted(subject, alert)).collect();
        return sentence(&list(&said, 3));
    }
    if let Some(change) = forming(subject) {
        let what = changed(subject, change);
        return format!("Perhaps a change for the worse, not alerted yet: {what}");
    }
    match finding.family {
        Family::CannotTell => {
            let why = finding.reasons.iter().find(|reason| {
                matches!(
                    reason,
                    Reason::Wanders { .. }
                        | Reason::StillLearning { what: Needs::Anything, .. }
                        | Reason::SlopesDiffer { .. }
                )
            });
            sentence(&why.map_or_else(|| "It cannot be told".to_owned(), Reason::to_string))
        }
        Family::Steady => match finding.regimes.first() {
            Some(regime) => {
                let runs = count(regime.runs, "run");
                format!("One level of {} over {runs}", between(regime.start))
            }
            None => "One level".to_owned(),
        },
        Family::Stepped | Family::Drifting | Family::Mixed => {
            "It changed, but nothing of that is for the worse, matters and still stands".to_owned()
        }
    }
}

/// The change that would be for the worse and matter, were it not provisional.
fn forming<'a>(subject: &DriftSubject<'a>) -> Option<&'a Change> {
    let finding = subject.finding;
    let small = |row: usize| {
        let reasons = finding.reasons.iter();
        reasons.into_iter().any(|why| matches!(why, Reason::TooSmall { row: at, .. } if *at == row))
    };
    let last = finding.changes.last().filter(|change| change.provisional)?;
    let worse = last.jump.is_some_and(|jump| subject.history.direction().is_worse(jump.value));
    (worse && !small(last.row)).then_some(last)
}

fn alerted(subject: &DriftSubject<'_>, alert: &Alert) -> String {
    match *alert {
        Alert::Step { row, by } => {
            format!("{} since {}, by a step", worse_by(subject, by), at(subject, row))
        }
        Alert::Drift { from, to, by } => {
            let last = subject.finding.regimes.last().is_some_and(|regime| regime.to == to);
            let until = if last { String::new() } else { format!(" to {}", at(subject, to)) };
            let word = if last { "since" } else { "from" };
            format!("{} {word} {}{until}, by drift", worse_by(subject, by), at(subject, from))
        }
        Alert::Outliers => "outliers for the worse become more frequent".to_owned(),
    }
}

fn worse_by(subject: &DriftSubject<'_>, by: f64) -> String {
    match subject.history.direction() {
        Direction::Below => format!("worse (higher) by {}", digits(by)),
        Direction::Above => format!("worse (lower) by {}", digits(by)),
        Direction::Either => format!("changed by {}", digits(by)),
    }
}

/// A row, with its time where it has one.
fn at(subject: &DriftSubject<'_>, row: usize) -> String {
    let run = subject.history.runs().iter().find(|run| run.row == row);
    match run.and_then(|run| run.time) {
        Some(time) => format!("row {row} ({time})"),
        None => format!("row {row}"),
    }
}

/// A number with its interval, in as many digits as tell them apart.
fn between(of: Estimate) -> String {
    let half = (of.upper - of.lower) / 2.0;
    let alike = digits(of.value) == digits(of.lower) || digits(of.value) == digits(of.upper);
    if alike && half > 0.0 && half.is_finite() && of.value.abs() < 1e7 {
        let places = (-half.log10().floor()).clamp(0.0, 12.0) as usize;
        return format!("{:.places$} ({:.places$} to {:.places$})", of.value, of.lower, of.upper);
    }
    format!("{} ({} to {})", digits(of.value), digits(of.lower), digits(of.upper))
}

/// What the plot shows, for those who cannot see it.
fn description(subject: &DriftSubject<'_>) -> String {
    let finding = subject.finding;
    let regimes = finding.regimes.iter().take(MOST).map(|regime| {
        let (start, end) = (digits(regime.start.value), digits(regime.end.value));
        format!("rows {} to {}: {start} to {end}", regime.from, regime.to)
    });
    let mut said: Vec<String> = regimes.collect();
    if !finding.outliers.is_empty() {
        said.push(count(finding.outliers.len(), "outlier"));
    }
    if let Some(boundary) = subject.history.boundary() {
        said.push(format!("boundary {}", digits(boundary)));
    }
    format!("{}; {}.", count(subject.history.runs().len(), "run"), said.join("; "))
}

fn steady(subject: &DriftSubject<'_>) -> Answer {
    let finding = subject.finding;
    let changes = count(finding.changes.len(), "change");
    let (tone, text) = match finding.family {
        Family::Steady => (Tone::Good, "Steady: no change and no slope is established.".to_owned()),
        Family::Stepped => (Tone::Plain, format!("No: stepped, {changes} of the level.")),
        Family::Drifting => (Tone::Plain, "No: drifting, a slope and no step.".to_owned()),
        Family::Mixed => (Tone::Plain, format!("No: steps and slopes, {changes}.")),
        Family::CannotTell => (Tone::Unsure, "It cannot be told.".to_owned()),
    };
    let mut details: Vec<String> =
        finding.changes.iter().take(MOST).map(|change| changed(subject, change)).collect();
    if finding.changes.len() > MOST {
        details.push(format!("{} more", count(finding.changes.len() - MOST, "change")));
    }
    if !finding.outliers.is_empty() {
        details.push(outliers(finding));
    }
    Answer { question: "Is it steady?", tone, text, details }
}

fn changed(subject: &DriftSubject<'_>, change: &Change) -> String {
    let mut said = Vec::new();
    if let Some(jump) = change.jump {
        let way = if jump.value > 0.0 { "up" } else { "down" };
        let size = Estimate {
            value: jump.value.abs(),
            lower: if jump.value > 0.0 { jump.lower } else { -jump.upper },
            upper: if jump.value > 0.0 { jump.upper } else { -jump.lower },
        };
        let in_sd = change.in_sd.filter(|sd| sd.is_finite());
        let in_sd =
            in_sd.map_or_else(String::new, |sd| format!(", {} standard deviations", digits(sd)));
        said.push(format!("a step {way} by {}{in_sd}", between(size)));
    }
    if let Some(bend) = change.bend {
        said.push(format!("the slope changes by {} a run", between(bend)));
    }
    let (from, to) = change.rows;
    let place = if from == to { String::new() } else { format!(" (row {from} to {to})") };
    let provisional = if change.provisional { "; provisional" } else { "" };
    format!("at {}{place}: {}{provisional}", at(subject, change.row), said.join(", "))
}

fn outliers(finding: &Finding) -> String {
    let rows: Vec<String> = finding.outliers.iter().map(|one| one.row.to_string()).collect();
    let shown = list(&rows, MOST);
    let worse = finding.outliers.iter().filter(|outlier| outlier.worse).count();
    let all = count(finding.outliers.len(), "outlier");
    format!("{all}, {worse} for the worse, at row {shown}")
}

fn worse(subject: &DriftSubject<'_>) -> Answer {
    let finding = subject.finding;
    let details = finding.alerts.iter().map(|alert| sentence(&alerted(subject, alert))).collect();
    let (tone, text) = if finding.is_drifting() {
        (Tone::Bad, "Yes: there is a change for the worse, it matters, and it still stands.")
    } else if finding.family == Family::CannotTell {
        (Tone::Unsure, "It cannot be told.")
    } else if forming(subject).is_some() {
        (Tone::Unsure, "Not for certain: the last change is provisional, and not alerted.")
    } else {
        (Tone::Good, "No: no change for the worse matters and still stands.")
    };
    Answer { question: "Is it worse than it was?", tone, text: text.to_owned(), details }
}

fn ahead(subject: &DriftSubject<'_>) -> Answer {
    let finding = subject.finding;
    let span = |runs: f64| {
        let days = finding.days_a_run.map(|days| format!(" ({} days)", digits(runs * days)));
        format!("{} runs{}", digits(runs.round()), days.unwrap_or_default())
    };
    let (tone, text) = match finding.forecast {
        Some(Forecast::Between { from, to }) => (
            Tone::Bad,
            format!("The boundary is reached in {} to {} (90 %).", span(from), span(to)),
        ),
        Some(Forecast::NotBefore { from }) => {
            (Tone::Good, format!("Not before {}, perhaps never (90 %).", span(from)))
        }
        Some(Forecast::NotEstablished(NoCrossing::Beyond)) => {
            (Tone::Bad, "The level is beyond the boundary already.".to_owned())
        }
        Some(Forecast::NotEstablished(NoCrossing::Away)) => {
            (Tone::Good, "The slope leads away from the boundary.".to_owned())
        }
        Some(Forecast::NotEstablished(NoCrossing::AnyTime)) => {
            (Tone::Unsure, "No crossing is established.".to_owned())
        }
        None => (Tone::Unsure, "It cannot be told.".to_owned()),
    };
    let details = finding.trend.iter().map(|trend| {
        let word = match trend.answer {
            TrendAnswer::Rises => "rising",
            TrendAnswer::Falls => "falling",
            TrendAnswer::Flat => "no slope established",
            TrendAnswer::CannotTell => "cannot tell",
        };
        format!(
            "{word}: {} a run over the last {}, median of pairs {}",
            between(trend.slope),
            count(trend.runs, "run"),
            digits(trend.theil_sen)
        )
    });
    Answer { question: "When is the boundary reached?", tone, text, details: details.collect() }
}

fn next(subject: &DriftSubject<'_>) -> Answer {
    let (tone, text) = match subject.finding.breaks_next {
        Some(probability) => {
            let tone = if probability >= 0.5 { Tone::Bad } else { Tone::Plain };
            let said = if probability < 0.001 {
                "less than 0.1 %".to_owned()
            } else {
                Unit::Share.show(probability)
            };
            (tone, format!("With a probability of {said}."))
        }
        None => (Tone::Unsure, "It cannot be told.".to_owned()),
    };
    Answer { question: "Does the next run break it?", tone, text, details: Vec::new() }
}

fn trust(subject: &DriftSubject<'_>) -> Answer {
    let reasons = subject.finding.reasons.iter().map(|reason| sentence(&reason.to_string()));
    let notes = subject.notes.iter().map(|note| sentence(&note.to_string()));
    let details: Vec<String> = reasons.chain(notes).map(|text| plain(&text) + ".").collect();
    let (tone, text) = match details.len() {
        0 => (Tone::Good, "Nothing stands out.".to_owned()),
        number => (Tone::Unsure, format!("{} to know of.", count(number, "thing"))),
    };
    Answer { question: "What can you not trust?", tone, text, details }
}

fn regimes(subject: &DriftSubject<'_>) -> Vec<RegimeRow> {
    let finding = subject.finding;
    let row = |(place, regime): (usize, &Regime)| {
        let change = place.checked_sub(1).and_then(|before| finding.changes.get(before));
        let sloped = regime.slope.abs() > 0.0;
        let (start, end) = (regime.start.value, regime.end.value);
        RegimeRow {
            begins: change
                .map_or_else(|| "at the start".to_owned(), |change| changed(subject, change)),
            rows: format!("{} to {}", regime.from, regime.to),
            runs: regime.runs.to_string(),
            level: if sloped {
                format!("{} to {}", digits(start), digits(end))
            } else {
                between(regime.start)
            },
            slope: if sloped { format!("{} a run", digits(regime.slope)) } else { "none".into() },
        }
    };
    finding.regimes.iter().enumerate().map(row).collect()
}

fn method(subject: &DriftSubject<'_>) -> Vec<Fact> {
    let DriftSubject { history, finding, settings, .. } = *subject;
    let fact = |name: &str, text: String| Fact { name: name.to_owned(), text };
    let number = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), digits);
    let least = match settings.least {
        Least::Share(share) if history.boundary().is_some() => {
            format!("{} of the margin before the change", Unit::Share.show(share))
        }
        Least::Share(share) => format!("{} of the level before it", Unit::Share.show(share)),
        Least::Absolute(least) => digits(least),
    };
    let sensitivity = match settings.sensitivity {
        Sensitivity::Gate => "for a gate: few false alarms",
        Sensitivity::Sensitive => "sensitive: more of what is found is chance",
    };
    vec![
        fact("Rows, counted from 0", history.rows().to_string()),
        fact("Runs with a number", history.runs().len().to_string()),
        fact("Boundary", number(history.boundary())),
        fact(
            "Values belong",
            match history.direction() {
                Direction::Below => "below the boundary".to_owned(),
                Direction::Above => "above the boundary".to_owned(),
                Direction::Either => "nobody said".to_owned(),
            },
        ),
        fact("Memory from run to run (φ)", number(finding.phi)),
        fact("Standard deviation of the errors", number(finding.sd)),
        fact("Least change that matters", least),
        fact("Changes are believed", sensitivity.to_owned()),
    ]
}
