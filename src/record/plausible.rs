//! Whether `run.json` says what a run can have been. A stranger's may parse, and still name a
//! directory outside of the store, or a window of a thousand years.

use std::time::Duration;

use camino::Utf8Path;

use super::{Manifest, RecordError, layout, limits};
use crate::time::Time;

/// No run was earlier: the epoch.
const EARLIEST: Time = Time::from_millis(0);
/// No run is later: the year 2200.
const LATEST: Time = Time::from_millis(7_258_118_400_000);

/// Fails on the first thing that no run can have been.
pub(super) fn check(path: &Utf8Path, manifest: &Manifest) -> Result<(), RecordError> {
    layout::check_name("hypothesis name", &manifest.hypothesis_name)?;
    layout::check_name("run id", &manifest.run_id)?;
    phases(manifest)
        .and_then(|()| lists(manifest))
        .map_err(|what| RecordError::Implausible { path: path.to_owned(), what })
}

fn phases(manifest: &Manifest) -> Result<(), String> {
    let edges = manifest.phases.iter().flat_map(|edges| [edges.start, edges.end]);
    let others = [manifest.ended_at, manifest.injected_at, Some(manifest.started_at)];
    let times: Vec<Time> = edges.chain(others.into_iter().flatten()).collect();
    if let Some(time) = times.iter().find(|time| **time < EARLIEST || LATEST < **time) {
        return Err(format!("no run was at {time}"));
    }
    for edges in &manifest.phases {
        if edges.end < edges.start {
            return Err(format!("*{}* ends before it starts", edges.phase));
        }
    }
    for pair in manifest.phases.windows(2) {
        let [first, second] = pair else { continue };
        if second.phase <= first.phase {
            return Err(format!("*{}* cannot follow *{}*", second.phase, first.phase));
        }
        if second.start < first.end {
            return Err(format!("*{}* begins before *{}* ends", second.phase, first.phase));
        }
    }
    let (least, most) = (times.iter().min(), times.iter().max());
    let lasted = least.zip(most).map_or(Duration::ZERO, |(least, most)| most.since(*least));
    if lasted > Duration::from_secs(limits::RUN_DAYS * 86_400) {
        return Err(format!("it lasted longer than {} days", limits::RUN_DAYS));
    }
    Ok(())
}

fn lists(manifest: &Manifest) -> Result<(), String> {
    let ledger = &manifest.ledger;
    let lists = [
        ("command_line", manifest.command_line.len()),
        ("sources", manifest.sources.len()),
        ("environment", manifest.environment.len()),
        ("ledger.scrapes_failed", ledger.scrapes_failed.len()),
        ("ledger.bad_line_examples", ledger.bad_line_examples.len()),
        ("ledger.blind", ledger.blind.len()),
        ("ledger.queries", ledger.queries.len()),
        ("ledger.notes", ledger.notes.len()),
    ];
    for (name, entries) in lists {
        if entries > limits::ENTRIES {
            return Err(format!(
                "`{name}` has {entries} entries, and at most {} are read",
                limits::ENTRIES
            ));
        }
    }
    match texts(manifest).find(|(_, text)| text.len() > limits::MANIFEST_TEXT_BYTES) {
        Some((name, text)) => Err(format!(
            "`{name}` has a text of {} bytes, and at most {} are read",
            text.len(),
            limits::MANIFEST_TEXT_BYTES
        )),
        None => Ok(()),
    }
}

/// Every text that a report may show, with the field it stands in.
fn texts(manifest: &Manifest) -> impl Iterator<Item = (&'static str, &String)> {
    let ledger = &manifest.ledger;
    let named = |name: &'static str| move |text| (name, text);
    let single = [
        ("hypothesis_text", &manifest.hypothesis_text),
        ("tool_version", &manifest.tool_version),
        ("text_fingerprint", &manifest.text_fingerprint),
        ("comparable_fingerprint", &manifest.comparable_fingerprint),
        ("fault", &manifest.fault.asked),
        ("fault", &manifest.fault.kind),
    ];
    let tags = manifest.environment.iter().flat_map(|(name, value)| [name, value]);
    let sources = manifest.sources.iter().flat_map(|one| [&one.kind, &one.address, &one.detail]);
    let lines = ledger.bad_line_examples.iter().flat_map(|one| [&one.target, &one.text, &one.why]);
    let blind = ledger.blind.iter().flat_map(|one| [&one.resource, &one.why]);
    let queries = ledger.queries.iter().flat_map(|one| one.failed.keys().chain([&one.query]));
    single
        .into_iter()
        .chain(manifest.phases.iter().map(|edges| &edges.start_source).map(named("phases")))
        .chain(manifest.command_line.iter().map(named("command_line")))
        .chain(tags.map(named("environment")))
        .chain(sources.map(named("sources")))
        .chain(ledger.scrapes_failed.keys().map(named("ledger.scrapes_failed")))
        .chain(lines.map(named("ledger.bad_line_examples")))
        .chain(blind.map(named("ledger.blind")))
        .chain(queries.map(named("ledger.queries")))
        .chain(ledger.notes.iter().map(named("ledger.notes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{at, manifest};

    #[track_caller]
    fn check(change: impl FnOnce(&mut Manifest), want: &str) {
        let mut manifest = manifest();
        change(&mut manifest);
        let said = super::check(Utf8Path::new("run.json"), &manifest);
        assert_eq!(said.map_or_else(|error| error.to_string(), |()| "fine".to_owned()), want);
    }

    #[test]
    fn a_run_of_ours_is_plausible() {
        check(|_| {}, "fine");
        check(|run| run.phases.truncate(1), "fine");
        check(|run| run.phases.clear(), "fine");
        check(|run| run.phases[2].start = at(70), "fine");
    }

    #[test]
    fn names_stay_inside_the_store() {
        let want = "`../x` cannot be a run id: it becomes the name of a directory";
        check(|run| run.run_id = "../x".to_owned(), want);
        let want = "`a/b` cannot be a hypothesis name: it becomes the name of a directory";
        check(|run| run.hypothesis_name = "a/b".to_owned(), want);
    }

    #[test]
    fn phases_follow_each_other() {
        check(
            |run| run.phases[1].end = at(29),
            "`run.json` is not plausible: *during* ends before it starts",
        );
        check(
            |run| run.phases[1].start = at(20),
            "`run.json` is not plausible: *during* begins before *before* ends",
        );
        check(
            |run| run.phases.swap(0, 1),
            "`run.json` is not plausible: *before* cannot follow *during*",
        );
    }

    #[test]
    fn time_has_its_limits() {
        check(
            |run| run.injected_at = Some(Time::from_millis(i64::MAX)),
            "`run.json` is not plausible: no run was at 1970-01-01T00:00:00Z",
        );
        check(
            |run| run.phases[2].end = at(400 * 86_400),
            "`run.json` is not plausible: it lasted longer than 366 days",
        );
    }

    #[test]
    fn lists_and_texts_have_limits() {
        check(
            |run| run.ledger.notes = vec![String::new(); limits::ENTRIES + 1],
            "`run.json` is not plausible: `ledger.notes` has 100001 entries, and at most 100000 are read",
        );
        check(
            |run| run.hypothesis_text = "x".repeat(limits::MANIFEST_TEXT_BYTES + 1),
            "`run.json` is not plausible: `hypothesis_text` has a text of 1048577 bytes, and at most 1048576 are read",
        );
    }
}
