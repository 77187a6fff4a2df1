//! `run.json`: what a run was, version 1. Read and written only here; `docs/format.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    frame::{Ledger, SourceNote},
    redact::Secrets,
    time::Time,
    window::Phase,
};

/// The version of the layout of a run on disk.
pub const FORMAT_VERSION: u32 = 1;

/// What a run was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of the program that recorded it.
    pub tool_version: String,
    /// UTC time and four hexadecimal digits.
    pub run_id: String,
    /// The hypothesis' name.
    pub hypothesis_name: String,
    /// The hypothesis' text as written, `${…}` not substituted, secrets removed.
    pub hypothesis_text: String,
    /// The program given after `--`, when the fault is a command from the command line; secrets
    /// removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
    /// SHA-256 of the text, before secrets were removed.
    pub text_fingerprint: String,
    /// SHA-256 of what makes runs comparable, before secrets were removed.
    pub comparable_fingerprint: String,
    /// When the run started.
    pub started_at: Time,
    /// When its last phase ended; absent while it is incomplete.
    pub ended_at: Option<Time>,
    /// How far it came.
    pub status: Status,
    /// The phases that were begun, in order.
    pub phases: Vec<PhaseEdges>,
    /// When the first injection was asked for.
    pub injected_at: Option<Time>,
    /// Where data came from, secrets removed.
    pub sources: Vec<SourceNote>,
    /// Environment tags: cluster, commit, …
    pub environment: BTreeMap<String, String>,
    /// What the fault was asked to do.
    pub fault: FaultNote,
    /// What is known of the quality of the data.
    pub ledger: Ledger,
}

impl Manifest {
    /// The same without secrets, wherever a text can hold one. The hypothesis' text is left alone:
    /// only its reader knows where a part of it can be taken out
    /// ([`crate::hypothesis::recordable`]).
    pub(super) fn without_secrets(&self, secrets: &Secrets) -> Self {
        let mut manifest = self.clone();
        let ledger = &mut manifest.ledger;
        let sources =
            manifest.sources.iter_mut().flat_map(|one| [&mut one.address, &mut one.detail]);
        let lines = ledger.bad_line_examples.iter_mut();
        let lines = lines.flat_map(|one| [&mut one.target, &mut one.text, &mut one.why]);
        let texts = manifest.command_line.iter_mut();
        let texts = texts
            .chain(sources)
            .chain(manifest.environment.values_mut())
            .chain([&mut manifest.fault.asked])
            .chain(lines)
            .chain(ledger.blind.iter_mut().map(|span| &mut span.why))
            .chain(ledger.queries.iter_mut().map(|one| &mut one.query))
            .chain(&mut ledger.notes);
        for text in texts {
            *text = secrets.redact(text);
        }
        manifest
    }
}

/// How far a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Still running, or killed.
    Incomplete,
    /// All phases were watched to their end.
    Complete,
    /// *Before* was not steady, so nothing was injected.
    NotInjected,
    /// Stopped by a signal, or by an error that a note of the ledger names.
    Interrupted,
    /// Stopped by the guard.
    GuardTripped,
}

/// The edges of one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseEdges {
    /// Which.
    pub phase: Phase,
    /// Its first instant.
    pub start: Time,
    /// The first instant after it; while the run is incomplete, the newest that was saved.
    pub end: Time,
    /// What set its start: `clock`, `injection`, `fault_ended`, `replacements_ready`,
    /// `during_at_most`, `guard`, `given`.
    pub start_source: String,
    /// How far off the start can be, milliseconds.
    pub start_uncertainty_ms: i64,
}

/// What the fault was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultNote {
    /// `kill_pods`, `command`, `none`.
    pub kind: String,
    /// In words, with the rounding: `30 % of 10 ready pods is 3`.
    pub asked: String,
    /// How many were to be hit.
    pub expected: Option<u64>,
    /// Out of how many.
    pub population: Option<u64>,
    /// The seed of the choice.
    pub seed: Option<u64>,
}
