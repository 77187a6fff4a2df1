//! Judging a recording: the one pipeline behind `run`, `demo`, `judge` and `report`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::Utf8Path;

use super::{env, exit::Invalid, first_reading};
use crate::{
    analysis::{self, ANALYSIS_VERSION, Analysis},
    frame::SampleRow,
    hypothesis::{self, Hypothesis, Reading},
    record::{self, Manifest, Recording, Status, atomic},
    report::{self, Subject, View},
    store,
    verdict::{self, RunIdentity, RunStatus, Verdicts},
};

/// A recording with everything that was made of it.
pub(super) struct Judged {
    pub(super) recording: Recording,
    pub(super) hypothesis: Hypothesis,
    pub(super) analysis: Analysis,
    pub(super) verdicts: Verdicts,
}

impl Judged {
    /// Judges a recording by the hypothesis that was recorded with it.
    pub(super) fn of(run: &Utf8Path) -> anyhow::Result<Self> {
        let recording = record::open(run)?;
        let text = recording.manifest.hypothesis_text.clone();
        let name = format!("{run}/run.json: hypothesis");
        let mut judged = Self::by(recording, &text, &name)?;
        // What was run is what they are of. The text that was kept may lack a secret of it.
        let Manifest { text_fingerprint, comparable_fingerprint, .. } = &judged.recording.manifest;
        judged.hypothesis.text_fingerprint.clone_from(text_fingerprint);
        judged.hypothesis.comparable_fingerprint.clone_from(comparable_fingerprint);
        Ok(judged)
    }

    /// Judges a recording by another text.
    pub(super) fn by(recording: Recording, text: &str, name: &str) -> anyhow::Result<Self> {
        let mut hypothesis = read_hypothesis(text, name, Reading::Recorded)?;
        complete_command(&mut hypothesis, &recording.manifest.command_line);
        analysis::check_size(&hypothesis, &recording.observed)?;
        let analysis = analysis::analyse(&hypothesis, &recording.observed);
        let verdicts =
            verdict::judge_all(&hypothesis, &analysis, run_status(recording.manifest.status));
        Ok(Self { recording, hypothesis, analysis, verdicts })
    }

    /// What every format is rendered from.
    pub(super) fn view(&self) -> View {
        View::new(&Subject {
            manifest: &self.recording.manifest,
            hypothesis: &self.hypothesis,
            observed: &self.recording.observed,
            analysis: &self.analysis,
            verdicts: &self.verdicts,
        })
    }

    /// Writes the derived tables and the reports beside the recording.
    ///
    /// Results of another analysis version are not overwritten unless told: they are what was
    /// said then.
    pub(super) fn write(&self, view: &View, overwrite: bool) -> anyhow::Result<()> {
        let dir = &self.recording.dir;
        let before = record::read_checks(dir).unwrap_or_default();
        let other = before
            .iter()
            .map(|row| row.analysis_version)
            .find(|v| *v != i64::from(ANALYSIS_VERSION));
        if let (Some(other), false) = (other, overwrite) {
            bail!(
                "`{dir}` was judged by analysis version {other}, and this is version {ANALYSIS_VERSION}: \
                 `--overwrite` replaces what was said then, `--no-write` only prints"
            );
        }
        record::write_samples(dir, &self.samples())?;
        record::write_checks(
            dir,
            &verdict::check_rows(
                &self.identity(),
                &self.hypothesis,
                &self.analysis,
                &self.verdicts,
            ),
        )?;
        for (name, text) in report::files(view) {
            atomic::write(&dir.join(name), text.as_bytes())?;
        }
        Ok(())
    }

    fn samples(&self) -> Vec<SampleRow> {
        let phases = self.recording.observed.phases;
        let rows = self.hypothesis.indicators.iter().zip(&self.analysis.tracks).flat_map(
            |(indicator, track)| {
                track.points.iter().map(move |point| SampleRow {
                    indicator: indicator.name.clone(),
                    time: point.time,
                    value: point.value,
                    lower: point.lower,
                    upper: point.upper,
                    phase: phases.of_point(point.time, indicator.over()),
                })
            },
        );
        rows.collect()
    }

    fn identity(&self) -> RunIdentity {
        let manifest = &self.recording.manifest;
        let environment: &BTreeMap<String, String> = &manifest.environment;
        RunIdentity {
            run_id: manifest.run_id.clone(),
            started_at: manifest.started_at,
            phases: self.recording.observed.phases,
            environment: serde_json::json!(environment).to_string(),
            analysis_version: ANALYSIS_VERSION,
            format_version: record::FORMAT_VERSION,
        }
    }
}

/// Parses a hypothesis; its problems are printed to stderr, in full.
pub(super) fn read_hypothesis(
    text: &str,
    name: &str,
    reading: Reading<'_>,
) -> anyhow::Result<Hypothesis> {
    hypothesis::parse(text, name, reading).map_err(|problems| {
        anstream::eprintln!("{}\n", env::secrets().redact(&problems.render(true)));
        Invalid { file: name.to_owned(), problems: super::lint::summary(&problems) }.into()
    })
}

/// Lays the program after `--` over the fault of the file.
pub(super) fn complete_command(hypothesis: &mut Hypothesis, command_line: &[String]) {
    if !command_line.is_empty() {
        hypothesis.set_program(command_line);
    }
}

/// A run, named by its directory, its id or the beginning of its id.
pub(super) fn open_run(store: &Utf8Path, run: &str) -> anyhow::Result<Judged> {
    let dir = store::find(store, run)?;
    first_reading::survive(&dir)?;
    Judged::of(&dir).with_context(|| format!("run `{run}`"))
}

fn run_status(status: Status) -> RunStatus {
    match status {
        Status::Incomplete => RunStatus::Incomplete,
        Status::Complete => RunStatus::Complete,
        Status::NotInjected => RunStatus::NotInjected,
        Status::Interrupted => RunStatus::Interrupted,
        Status::GuardTripped => RunStatus::GuardTripped,
    }
}
