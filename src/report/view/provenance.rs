//! What run this was, and of what: enough to find it, repeat it, and compare it.

use super::super::{
    Subject,
    text::{plain, seconds_text},
};
use crate::{analysis::ANALYSIS_VERSION, record::Status};

/// A name and what is to be said of it.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// The name.
    pub(crate) name: String,
    /// What is to be said of it.
    pub(crate) text: String,
}

impl Fact {
    pub(super) fn new(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into() }
    }
}

pub(super) fn facts(subject: &Subject<'_>) -> Vec<Fact> {
    let Subject { manifest, hypothesis, observed, .. } = *subject;
    let ended = manifest.ended_at.map_or_else(|| "not recorded".to_owned(), |at| at.to_string());
    let mut facts = vec![
        Fact::new("Run", plain(&manifest.run_id)),
        Fact::new("Hypothesis", plain(&manifest.hypothesis_name)),
        Fact::new("Status", status(manifest.status)),
        Fact::new("Started", manifest.started_at.to_string()),
    ];
    if let Some(at) = manifest.injected_at {
        facts.push(Fact::new("Injected", at.to_string()));
    }
    facts.push(Fact::new("Ended", ended));
    for phase in crate::window::Phase::ALL {
        if let Some(window) = observed.phases.window(phase) {
            let length = seconds_text(window.length().as_secs_f64());
            let text = format!("{} to {}, {length}", window.start, window.end);
            facts.push(Fact::new(&format!("Phase {phase}"), text));
        }
    }
    let step = seconds_text(hypothesis.phases.step.as_secs_f64());
    facts.push(Fact::new("Step of the grid", step));
    facts.push(Fact::new("Fault", plain(hypothesis.fault.kind())));
    if let Some(seed) = manifest.fault.seed {
        facts.push(Fact::new("Seed of the choice", seed.to_string()));
    }
    if !manifest.command_line.is_empty() {
        facts.push(Fact::new("Command", plain(&manifest.command_line.join(" "))));
    }
    for source in &manifest.sources {
        let text = match source.detail.as_str() {
            "" => plain(&source.address),
            detail => format!("{} ({})", plain(&source.address), plain(detail)),
        };
        facts.push(Fact::new(&format!("Source {}", plain(&source.kind)), text));
    }
    for (name, value) in &hypothesis.labels {
        facts.push(Fact::new(&format!("Label {}", plain(name)), plain(value)));
    }
    for (name, value) in &manifest.environment {
        facts.push(Fact::new(&format!("Environment {}", plain(name)), plain(value)));
    }
    facts.push(Fact::new("Fingerprint of the text", plain(&manifest.text_fingerprint)));
    facts.push(Fact::new("Fingerprint to compare by", plain(&manifest.comparable_fingerprint)));
    facts.push(Fact::new(
        "Versions",
        format!(
            "homeostat {}, format {}, analysis {ANALYSIS_VERSION}",
            plain(&manifest.tool_version),
            manifest.format_version
        ),
    ));
    facts
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Complete => "complete",
        Status::Incomplete => "incomplete",
        Status::NotInjected => "not injected",
        Status::Interrupted => "interrupted",
        Status::GuardTripped => "stopped by the guard",
    }
}
