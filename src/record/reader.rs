//! Reads a run back: one that was finished, or one that was killed and is still in parts.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde::Deserialize;

use super::{
    FORMAT_VERSION, Manifest, RecordError, Recording, Status,
    checksum::{self, Checksums, Seal},
    intake,
    layout::{self, MANIFEST, RAW},
    limits,
    parquet::{ParquetSource, read_table, table_path},
    plausible,
};
use crate::{
    frame::{
        AnswerRow, Answers, Blind, NAME_COLUMNS, Observed, SeriesName, Table, each_series, points,
        series_labels,
    },
    sample::SeriesSet,
    window::{Phase, Phases, Window},
};

/// Opens the run in a directory. The files of a finished one are held to their checksums.
pub fn open(dir: &Utf8Path) -> Result<Recording, RecordError> {
    let (manifest, checksums) = read_manifest(dir)?;
    let observed = observed(dir, &manifest, &checksums)?;
    Ok(Recording { dir: dir.to_owned(), manifest, observed })
}

fn read_manifest(dir: &Utf8Path) -> Result<(Manifest, Checksums), RecordError> {
    /// All that is promised of every format to come.
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    if !layout::is_run(dir) {
        return Err(RecordError::NotARun { path: dir.to_owned() });
    }
    let path = dir.join(MANIFEST);
    let text = intake::read_text(&path, limits::MANIFEST_BYTES)?
        .ok_or_else(|| RecordError::NotARun { path: dir.to_owned() })?;
    let broken = |source| RecordError::Manifest { path: path.clone(), source };
    let Version { format_version: found } = serde_json::from_str(&text).map_err(broken)?;
    if found > FORMAT_VERSION {
        return Err(RecordError::Newer { path, found });
    }
    let manifest = serde_json::from_str(&text).map_err(broken)?;
    plausible::check(&path, &manifest)?;
    let Seal { checksums } = serde_json::from_str(&text).map_err(broken)?;
    checksum::verify(dir, &checksums)?;
    Ok((manifest, checksums))
}

fn observed(
    dir: &Utf8Path,
    manifest: &Manifest,
    checksums: &Checksums,
) -> Result<Observed, RecordError> {
    let phases = phases(manifest);
    Ok(Observed {
        phases,
        injected_at: manifest.injected_at,
        raw: read_raw(dir, manifest.status)?,
        answers: read_answers(dir, manifest.status, checksums)?,
        pods: read_rows(dir, manifest.status)?,
        events: read_rows(dir, manifest.status)?,
        fault: read_rows(dir, manifest.status)?,
        pods_watched: manifest.ledger.kubernetes_watched,
        blind: blind(manifest, &phases),
        asked: manifest.fault.expected.and_then(|pods| usize::try_from(pods).ok()),
    })
}

fn phases(manifest: &Manifest) -> Phases {
    let window = |phase| {
        let edges = manifest.phases.iter().rfind(|edges| edges.phase == phase)?;
        Some(Window::new(edges.start, edges.end))
    };
    Phases {
        before: window(Phase::Before),
        during: window(Phase::During),
        after: window(Phase::After),
    }
}

/// A watch that never came back was blind until the run ended, as far as that is known.
fn blind(manifest: &Manifest, phases: &Phases) -> Vec<Blind> {
    let end =
        [manifest.ended_at, phases.whole().map(|whole| whole.end)].into_iter().flatten().max();
    let spans = manifest.ledger.blind.iter();
    let mut blind: Vec<Blind> = spans
        .flat_map(|span| {
            let to = span.to.or(end).unwrap_or(span.from);
            Blind::of(&span.resource, Window::new(span.from, to))
        })
        .collect();
    blind.sort_by_key(|blind| (blind.window.start, blind.window.end));
    blind
}

/// What a server answered: only a run that asked one has the table. A finished run names it among
/// its files; one that lies there unnamed was not written by that run.
fn read_answers(
    dir: &Utf8Path,
    status: Status,
    checksums: &Checksums,
) -> Result<Answers, RecordError> {
    let named = checksums.contains_key(&format!("{}.parquet", AnswerRow::NAME));
    if status != Status::Incomplete && !named {
        return Ok(Answers::default());
    }
    Ok(read_table::<AnswerRow>(dir)?.unwrap_or_default().into_iter().collect())
}

/// The rows of a table. Only a killed run may lack it: it was killed before the first save.
fn read_rows<T: Table>(dir: &Utf8Path, status: Status) -> Result<Vec<T>, RecordError> {
    match (read_table(dir)?, status) {
        (Some(rows), _) => Ok(rows),
        (None, Status::Incomplete) => Ok(Vec::new()),
        (
            None,
            Status::Complete | Status::NotInjected | Status::Interrupted | Status::GuardTripped,
        ) => Err(RecordError::Missing { path: table_path::<T>(dir) }),
    }
}

/// The raw samples, by series and time, from the merged file or else from the parts.
///
/// The merged file is there only when it holds every part, so parts beside it are what a run
/// that was killed just then did not come to remove.
fn read_raw(dir: &Utf8Path, status: Status) -> Result<SeriesSet, RecordError> {
    let merged = dir.join(RAW);
    let mut series = SeriesSet::default();
    if let Some(source) = ParquetSource::open(&merged, limits::RAW_ROWS)? {
        read_samples(&source, &mut series)?;
        return Ok(series);
    }
    match status {
        Status::Incomplete => {}
        Status::Complete | Status::NotInjected | Status::Interrupted | Status::GuardTripped => {
            return Err(RecordError::Missing { path: merged });
        }
    }
    let parts = layout::parts(dir)?;
    // Each part has its own order of series. Naming all of them first gives the order that the
    // merged file would have had: sums over series are then the same to the last bit.
    let mut names = BTreeSet::<SeriesName>::new();
    let mut rows = 0;
    for path in &parts {
        let part = part(path, limits::RAW_ROWS - rows)?;
        rows += part.rows();
        for group in part.groups(Some(&NAME_COLUMNS)) {
            let group = group?;
            part.table(|| {
                each_series(&group, |name, _| {
                    names.insert(name);
                    Ok(())
                })
            })?;
        }
    }
    for name in &names {
        // A name that cannot be read is reported below, with its file.
        if let Ok(labels) = series_labels(name) {
            series.place(&labels);
        }
    }
    for path in &parts {
        read_samples(&part(path, limits::RAW_ROWS)?, &mut series)?;
    }
    Ok(series)
}

fn part(path: &Utf8Path, most_rows: usize) -> Result<ParquetSource<'_>, RecordError> {
    let part = ParquetSource::open(path, most_rows)?;
    part.ok_or_else(|| RecordError::Missing { path: path.to_owned() })
}

/// Appends the samples of a file, a row group at a time.
fn read_samples(source: &ParquetSource<'_>, series: &mut SeriesSet) -> Result<(), RecordError> {
    for group in source.groups(None) {
        let group = group?;
        source.table(|| {
            let points = points(&group)?;
            let mut start = 0;
            each_series(&group, |name, count| {
                let place = series.place(&series_labels(&name)?);
                let rows = start..start + count;
                start = rows.end;
                let samples = points.times[rows.clone()].iter().zip(&points.values[rows]);
                for (time, value) in samples {
                    series.push_at(place, *time, *value);
                }
                Ok(())
            })
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use camino::Utf8PathBuf;

    use super::*;
    use crate::{
        frame::BlindSpan,
        record::{
            Writer, atomic,
            parquet::write_table,
            testing::{Scratch, at, event, fault, labels, manifest, pod, raw},
        },
        redact::Secrets,
    };

    /// A small run, of everything a little.
    fn recording(scratch: &Scratch) -> Writer {
        let mut writer = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap();
        writer.raw((0..90).map(|i| raw("up", "a", i, 1.0)).collect());
        writer.pod(pod("api-1"));
        writer.event(event("one", 31));
        writer.fault(fault(30));
        writer
    }

    fn recorded(scratch: &Scratch) -> Utf8PathBuf {
        recording(scratch).finish().unwrap()
    }

    fn killed(scratch: &Scratch) -> Utf8PathBuf {
        let mut writer = recording(scratch);
        writer.save().unwrap();
        writer.dir().to_owned()
    }

    #[track_caller]
    fn check(record: impl Fn(&Scratch) -> Utf8PathBuf, change: impl FnOnce(&Utf8Path), want: &str) {
        let scratch = Scratch::new();
        let dir = record(&scratch);
        change(&dir);
        let error = open(&dir).unwrap_err();
        assert_eq!(error.to_string().replace(dir.as_str(), "RUN"), want);
        assert!(error.hint().is_some());
    }

    fn put(dir: &Utf8Path, name: &str, bytes: &[u8]) {
        atomic::write(&dir.join(name), bytes).unwrap();
    }

    #[test]
    fn what_is_not_a_run_is_said_to_be_none() {
        let want = "`RUN` is not a run: it has no `run.json`";
        check(recorded, |dir| fs::remove_file(dir.join(MANIFEST)).unwrap(), want);
        check(recorded, |dir| fs::remove_dir_all(dir).unwrap(), want);
    }

    #[test]
    fn a_newer_format_is_refused_whatever_else_it_says() {
        check(
            recorded,
            |dir| put(dir, MANIFEST, br#"{"format_version": 2, "everything": "else is new"}"#),
            "`RUN/run.json` has format 2, and this program reads formats up to 1",
        );
    }

    #[test]
    fn a_broken_file_is_named() {
        let half = |dir: &Utf8Path, name| {
            let whole = fs::read(dir.join(name)).unwrap();
            put(dir, name, &whole[..whole.len() / 2]);
        };
        let version = br#"{"format_version": 1}"#;
        check(killed, |dir| put(dir, MANIFEST, b"{"), "`RUN/run.json` is broken");
        check(killed, |dir| put(dir, MANIFEST, version), "`RUN/run.json` is broken");
        check(killed, |dir| put(dir, "pods.parquet", b""), "`RUN/pods.parquet` is broken");
        check(killed, |dir| put(dir, "fault.parquet", b"PAR1?"), "`RUN/fault.parquet` is broken");
        let part = "raw.part-0001.parquet";
        check(killed, |dir| half(dir, part), "`RUN/raw.part-0001.parquet` is broken");
    }

    #[test]
    fn one_table_in_the_place_of_another_is_broken() {
        let swap = |dir: &Utf8Path| {
            fs::copy(dir.join("fault.parquet"), dir.join("pods.parquet")).map(drop).unwrap();
        };
        check(killed, swap, "`RUN/pods.parquet` is broken");
    }

    #[test]
    fn a_finished_run_lacks_no_table() {
        for name in ["raw", "pods", "events", "fault"] {
            check(
                recorded,
                |dir| fs::remove_file(dir.join(format!("{name}.parquet"))).unwrap(),
                &format!("`RUN/{name}.parquet` is missing"),
            );
        }
    }

    fn answer(value: f64) -> AnswerRow {
        let indicator = "p99".to_owned();
        let labels = labels(&[("le", "0.5")]);
        AnswerRow { indicator, labels, time: at(5), value }
    }

    fn answered(dir: &Utf8Path) -> Vec<f64> {
        let answers = open(dir).unwrap().observed.answers;
        let series = answers.of("p99").into_iter().flatten();
        series.flat_map(|series| series.values.clone()).collect()
    }

    #[test]
    fn what_a_server_answered_is_read_back() {
        let scratch = Scratch::new();
        let mut writer = recording(&scratch);
        writer.answers([answer(7.0)]);
        writer.save().unwrap();
        let dir = writer.dir().to_owned();
        assert_eq!(answered(&dir), [7.0]);
        writer.finish().unwrap();
        assert_eq!(answered(&dir), [7.0]);
        fs::remove_file(dir.join("answers.parquet")).unwrap();
        assert!(matches!(open(&dir), Err(RecordError::Missing { .. })));
    }

    /// A stranger could lay answers into a run that asked nobody.
    #[test]
    fn answers_that_a_finished_run_does_not_name_are_not_its_own() {
        let scratch = Scratch::new();
        let dir = recorded(&scratch);
        write_table(&dir, &[answer(7.0)]).unwrap();
        assert_eq!(answered(&dir), [0.0; 0]);
    }

    #[test]
    fn a_flipped_bit_is_seen() {
        let scratch = Scratch::new();
        let dir = recorded(&scratch);
        for name in ["raw.parquet", "pods.parquet", "events.parquet", "fault.parquet"] {
            let whole = fs::read(dir.join(name)).unwrap();
            for place in [0, whole.len() / 3, whole.len() - 1] {
                let mut bytes = whole.clone();
                bytes[place] ^= 1;
                fs::File::create(dir.join(name)).unwrap().write_all(&bytes).unwrap();
                let seen = open(&dir).unwrap_err();
                assert!(matches!(seen, RecordError::Changed { path } if path.ends_with(name)));
            }
            put(&dir, name, &whole);
        }
        assert!(open(&dir).is_ok());
    }

    #[test]
    fn a_watch_that_never_came_back_was_blind_to_the_end() {
        let span = |from, to| BlindSpan {
            resource: "pods".to_owned(),
            from: at(from),
            to,
            why: "connection reset".to_owned(),
        };
        let mut manifest = manifest();
        manifest.ledger.blind = vec![span(50, None), span(10, Some(at(12)))];
        let blind = blind(&manifest, &phases(&manifest));
        let windows: Vec<Window> = blind.into_iter().map(|blind| blind.window).collect();
        assert_eq!(windows, [Window::new(at(10), at(12)), Window::new(at(50), at(90))]);
    }

    #[test]
    fn the_manifest_says_what_was_asked_and_watched() {
        let scratch = Scratch::new();
        let observed = open(&recorded(&scratch)).unwrap().observed;
        assert_eq!((observed.asked, observed.pods_watched), (Some(3), true));
        assert_eq!(observed.phases.during, Some(Window::new(at(30), at(60))));
        assert_eq!(observed.injected_at, Some(at(30)));
    }

    /// Where the run of format 1 is kept.
    fn kept() -> Utf8PathBuf {
        Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/run-v1")
    }

    #[test]
    fn a_run_of_format_1_still_opens() {
        let recording = open(&kept()).unwrap();
        assert_eq!(recording.manifest, manifest());
        assert_eq!(recording.observed.pods, [pod("api-1")]);
        assert_eq!(recording.observed.events, [event("one", 31)]);
        assert_eq!(recording.observed.fault, [fault(30)]);
        let up: Vec<_> = recording.observed.raw.of_metric("up").collect();
        assert_eq!((up.len(), up[0].times.len(), up[0].times[89]), (1, 90, at(89)));
        assert_eq!(
            super::super::read_checks(&kept()).unwrap()[0].check_id,
            "latency_p99.during.below"
        );
    }

    /// Makes the kept run, once for a version of the format; old ones are never written again.
    #[test]
    #[ignore = "writes tests/data"]
    fn write_the_run_of_this_format() {
        let scratch = Scratch::new();
        let dir = recorded(&scratch);
        super::super::write_checks(&dir, &[crate::frame::short_check_row()]).unwrap();
        fs::create_dir_all(kept()).unwrap();
        for name in crate::record::testing::files(&dir) {
            fs::copy(dir.join(&name), kept().join(&name)).unwrap();
        }
    }
}
