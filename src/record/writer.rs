//! Writes a run while it happens.
//!
//! Whatever was saved is whole on disk: a run that is killed can be opened up to its last save.
//! Which file is written when is what makes that hold, so it is all said here.

use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    FORMAT_VERSION, Manifest, RecordError, Status, atomic,
    checksum::{self, Checksums, Sealed},
    layout::{self, MANIFEST, RAW},
    parquet::{ROW_GROUP, write_table},
    raw::RawBuffer,
};
use crate::{
    frame::{AnswerRow, EventRow, FaultRow, PodRow, RawRow, Table as _},
    redact::Secrets,
    sample::Series,
};

/// How many raw samples of a server are held before they are written, while more arrive.
const SPILL: usize = 2 * ROW_GROUP;

/// A run that is being recorded.
#[derive(Debug)]
pub struct Writer {
    dir: Utf8PathBuf,
    manifest: Manifest,
    raw: RawBuffer,
    pods: Vec<PodRow>,
    pod_places: HashMap<String, usize>,
    events: Vec<EventRow>,
    fault: Vec<FaultRow>,
    answers: Vec<AnswerRow>,
    unsaved: Unsaved,
    secrets: Secrets,
}

/// Which tables have rows that are not yet saved. Of a run of an hour, few have at each save.
#[derive(Clone, Copy, Debug)]
struct Unsaved {
    pods: bool,
    events: bool,
    fault: bool,
    answers: bool,
}

impl Writer {
    /// Makes the directory of a run in a store, and its `run.json`. There must be none yet.
    ///
    /// Of the `secrets` none is written; only the hypothesis' text, the names in the path and what
    /// was measured are kept as they are given.
    pub fn create(
        store: &Utf8Path,
        manifest: Manifest,
        secrets: Secrets,
    ) -> Result<Self, RecordError> {
        let dir = layout::run_dir(store, &manifest.hypothesis_name, &manifest.run_id)?;
        let outer = dir.parent().unwrap_or(store);
        std::fs::create_dir_all(outer).map_err(RecordError::io("create", outer))?;
        std::fs::create_dir(&dir).map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                return RecordError::Exists { dir: dir.clone() };
            }
            RecordError::io("create", &dir)(error)
        })?;
        atomic::sync_dir(outer)?;
        let writer = Self {
            dir,
            manifest: Manifest { format_version: FORMAT_VERSION, ..manifest },
            raw: RawBuffer::default(),
            pods: Vec::new(),
            pod_places: HashMap::new(),
            events: Vec::new(),
            fault: Vec::new(),
            answers: Vec::new(),
            // A run has each of the first three, also without a row.
            unsaved: Unsaved { pods: true, events: true, fault: true, answers: false },
            secrets,
        };
        writer.write_incomplete()?;
        Ok(writer)
    }

    /// The directory of the run.
    pub fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// What the run is; saved with the rest. Its status and end count only for [`Writer::finish`].
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Keeps raw samples for the next save.
    pub fn raw(&mut self, rows: Vec<RawRow>) {
        self.raw.push(rows);
    }

    /// Keeps raw samples of series for the next save.
    pub(crate) fn series(&mut self, series: Vec<Series>) {
        self.raw.push_series(series);
        if self.raw.unsaved() >= SPILL {
            self.raw.spill(&self.dir);
        }
    }

    /// Keeps raw samples that were asked for again: each counts in place of one of the same series
    /// and time, and may be older than those that are kept.
    pub(crate) fn series_again(&mut self, series: Vec<Series>) {
        self.raw.push_again(series);
    }

    /// How many raw samples wait for the next save.
    pub(crate) fn unsaved(&self) -> usize {
        self.raw.unsaved()
    }

    /// Keeps what is known of a pod, in place of what was known of the same uid.
    pub fn pod(&mut self, row: PodRow) {
        self.unsaved.pods = true;
        match self.pod_places.get(&row.uid) {
            Some(place) => self.pods[*place] = row,
            None => {
                self.pod_places.insert(row.uid.clone(), self.pods.len());
                self.pods.push(row);
            }
        }
    }

    /// Keeps an event.
    pub fn event(&mut self, row: EventRow) {
        let message = self.secrets.redact(&row.message);
        self.events.push(EventRow { message, ..row });
        self.unsaved.events = true;
    }

    /// Keeps a step of the injector.
    pub fn fault(&mut self, row: FaultRow) {
        let object = self.secrets.redact(&row.object);
        let detail = self.secrets.redact(&row.detail);
        self.fault.push(FaultRow { object, detail, ..row });
        self.unsaved.fault = true;
    }

    /// Keeps what a server answered.
    pub fn answers(&mut self, rows: impl IntoIterator<Item = AnswerRow>) {
        self.answers.extend(rows);
        self.unsaved.answers = !self.answers.is_empty();
    }

    /// Keeps what a server answered to the same expressions again, in place of what it answered
    /// before for the same times.
    pub(crate) fn answers_again(&mut self, rows: Vec<AnswerRow>) {
        let Some((first, last)) = rows.first().zip(rows.last()) else { return };
        let (indicator, from, to) = (first.indicator.clone(), first.time, last.time);
        self.answers.retain(|row| row.indicator != indicator || row.time < from || row.time > to);
        self.answers.extend(rows);
        self.unsaved.answers = true;
    }

    /// Saves all that was kept: new raw samples as a further part, the other tables whole, and
    /// `run.json` last, still as an incomplete run. When it fails, nothing is forgotten, and
    /// what was saved before stands.
    pub fn save(&mut self) -> Result<(), RecordError> {
        self.save_tables()?;
        self.write_incomplete()
    }

    /// Saves all that was kept, merges the parts of the raw samples into one file, and writes
    /// `run.json` with its status. Returns the directory of the run.
    pub fn finish(mut self) -> Result<Utf8PathBuf, RecordError> {
        self.save_tables()?;
        let merged = self.dir.join(RAW);
        self.raw.merge(&merged)?;
        // From here on a reader takes the merged file and no part.
        self.raw.remove_parts()?;
        let tables = [PodRow::NAME, EventRow::NAME, FaultRow::NAME];
        let mut files: Vec<String> = tables.map(|name| format!("{name}.parquet")).into();
        files.push(RAW.to_owned());
        if !self.answers.is_empty() {
            files.push(format!("{}.parquet", AnswerRow::NAME));
        }
        self.write_manifest(&self.noted(), &checksum::of(&self.dir, &files)?)?;
        Ok(self.dir)
    }

    fn save_tables(&mut self) -> Result<(), RecordError> {
        self.raw.save(&self.dir)?;
        // Ties are broken, so that one run never gives two files; the sort is stable, so rows of
        // one time and object stay as they came.
        if self.unsaved.pods {
            self.pods.sort_by(|a, b| {
                (a.first_seen_at, &a.name, &a.uid).cmp(&(b.first_seen_at, &b.name, &b.uid))
            });
            self.pod_places =
                self.pods.iter().enumerate().map(|(place, pod)| (pod.uid.clone(), place)).collect();
            write_table(&self.dir, &self.pods)?;
            self.unsaved.pods = false;
        }
        if self.unsaved.events {
            self.events.sort_by(|a, b| (a.at, &a.uid, a.count).cmp(&(b.at, &b.uid, b.count)));
            write_table(&self.dir, &self.events)?;
            self.unsaved.events = false;
        }
        if self.unsaved.fault {
            self.fault.sort_by_key(|row| row.at);
            write_table(&self.dir, &self.fault)?;
            self.unsaved.fault = false;
        }
        if self.unsaved.answers {
            self.answers.sort_by(|a, b| {
                (&a.indicator, &a.labels, a.time).cmp(&(&b.indicator, &b.labels, b.time))
            });
            write_table(&self.dir, &self.answers)?;
            self.unsaved.answers = false;
        }
        Ok(())
    }

    fn write_incomplete(&self) -> Result<(), RecordError> {
        let status = Status::Incomplete;
        let manifest = Manifest { status, ended_at: None, ..self.noted() };
        self.write_manifest(&manifest, &Checksums::new())
    }

    /// The manifest with what only the writer knows.
    fn noted(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        if self.raw.late() > 0 {
            manifest.ledger.notes.push(format!(
                "{} raw samples were left out: each had the time of a sample that its series \
                 had already, or an earlier one",
                self.raw.late()
            ));
        }
        manifest
    }

    fn write_manifest(
        &self,
        manifest: &Manifest,
        checksums: &Checksums,
    ) -> Result<(), RecordError> {
        let path = self.dir.join(MANIFEST);
        let manifest = &manifest.without_secrets(&self.secrets);
        let mut text = serde_json::to_string_pretty(&Sealed { manifest, checksums })
            .map_err(|source| RecordError::Manifest { path: path.clone(), source })?;
        text.push('\n');
        atomic::write(&path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        record::{
            Recording, open,
            testing::{Scratch, at, event, fault, files, manifest, pod, raw},
        },
        sample::{Labels, STALE},
        time::Time,
    };

    /// A short run of three saves, not finished.
    fn started(scratch: &Scratch) -> Writer {
        let mut writer = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap();
        writer.raw(vec![
            raw("up", "b", 0, 1.0),
            raw("up", "a", 0, 1.0),
            raw("requests", "a", 0, 5.0),
        ]);
        writer.pod(pod("api-1"));
        writer.save().unwrap();
        writer.raw(vec![
            raw("up", "c", 1, f64::NAN),
            raw("up", "a", 1, 0.0),
            raw("requests", "a", 1, STALE),
        ]);
        writer.event(event("second", 2));
        writer.event(event("first", 1));
        writer.fault(fault(1));
        writer.save().unwrap();
        writer.raw(vec![raw("up", "a", 2, 1.0), raw("up", "b", 2, 1.0)]);
        writer.save().unwrap();
        writer
    }

    /// All raw samples: each series with times and the bits of its values.
    fn samples(recording: &Recording) -> Vec<(String, Vec<(Time, u64)>)> {
        let series = recording.observed.raw.iter();
        series
            .map(|series| {
                let bits = series.values.iter().map(|value| value.to_bits());
                (series.labels.to_string(), series.times.iter().copied().zip(bits).collect())
            })
            .collect()
    }

    #[test]
    fn a_finished_run_is_read_back_as_it_was_written() {
        let scratch = Scratch::new();
        let dir = started(&scratch).finish().unwrap();
        assert_eq!(
            dir,
            scratch.dir.join("hypothesis=api-survives-pod-loss/run=20261123T021500Z-7f3a")
        );
        let recording = open(&dir).unwrap();
        assert_eq!(recording.manifest, manifest());
        assert_eq!(recording.observed.pods, [pod("api-1")]);
        assert_eq!(recording.observed.events, [event("first", 1), event("second", 2)]);
        assert_eq!(recording.observed.fault, [fault(1)]);
        let one = 1.0_f64.to_bits();
        assert_eq!(
            samples(&recording),
            [
                (
                    r#"requests{instance="a"}"#.to_owned(),
                    vec![(at(0), 5.0_f64.to_bits()), (at(1), STALE.to_bits())]
                ),
                (
                    r#"up{instance="a"}"#.to_owned(),
                    vec![(at(0), one), (at(1), 0.0_f64.to_bits()), (at(2), one)]
                ),
                (r#"up{instance="b"}"#.to_owned(), vec![(at(0), one), (at(2), one)]),
                (r#"up{instance="c"}"#.to_owned(), vec![(at(1), f64::NAN.to_bits())]),
            ]
        );
    }

    #[test]
    fn a_finished_run_has_no_part_and_no_temporary_file() {
        let scratch = Scratch::new();
        let dir = started(&scratch).finish().unwrap();
        assert_eq!(
            files(&dir),
            ["events.parquet", "fault.parquet", "pods.parquet", "raw.parquet", "run.json"]
        );
    }

    #[test]
    fn a_killed_run_is_what_was_saved() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        writer.raw(vec![raw("up", "a", 3, 1.0)]);
        let dir = writer.dir().to_owned();
        drop(writer);
        let killed = open(&dir).unwrap();
        assert_eq!((killed.status(), killed.manifest.ended_at), (Status::Incomplete, None));
        let other = Scratch::new();
        let finished = open(&started(&other).finish().unwrap()).unwrap();
        assert_eq!(samples(&killed), samples(&finished));
        assert_eq!(killed.observed.pods, finished.observed.pods);
        assert_eq!(killed.observed.events, finished.observed.events);
        assert_eq!(killed.observed.phases, finished.observed.phases);
    }

    #[test]
    fn a_run_killed_before_its_first_save_is_empty() {
        let scratch = Scratch::new();
        let writer = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap();
        let recording = open(writer.dir()).unwrap();
        assert_eq!(recording.status(), Status::Incomplete);
        assert!(recording.observed.pods.is_empty() && samples(&recording).is_empty());
    }

    #[test]
    fn parts_left_beside_the_merged_file_double_nothing() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        // Killed after the merge and before the parts were removed.
        writer.save_tables().unwrap();
        writer.raw.merge(&writer.dir.join(RAW)).unwrap();
        assert_eq!(files(&writer.dir).iter().filter(|name| name.contains("part-")).count(), 3);
        let killed = open(&writer.dir).unwrap();
        assert_eq!(killed.status(), Status::Incomplete);
        let finished = open(&writer.finish().unwrap()).unwrap();
        assert_eq!(samples(&killed), samples(&finished));
    }

    #[test]
    fn a_run_that_is_there_is_not_touched() {
        let scratch = Scratch::new();
        let dir = started(&scratch).finish().unwrap();
        let refused = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap_err();
        assert_eq!(refused.to_string(), format!("`{dir}` exists already"));
        assert_eq!(open(&dir).unwrap().status(), Status::Complete);
    }

    #[test]
    fn a_store_that_cannot_be_made_is_named() {
        let scratch = Scratch::new();
        atomic::write(&scratch.dir.join("store"), b"a file").unwrap();
        let refused =
            Writer::create(&scratch.dir.join("store"), manifest(), Secrets::default()).unwrap_err();
        let outer = scratch.dir.join("store/hypothesis=api-survives-pod-loss");
        assert_eq!(refused.to_string(), format!("cannot create `{outer}`"));
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_may_not_be_written_is_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new();
        let writer = started(&scratch);
        fs::set_permissions(writer.dir(), fs::Permissions::from_mode(0o555)).unwrap();
        // The superuser may write everywhere, and then there is nothing to see here.
        if fs::File::create(writer.dir().join("probe")).is_ok() {
            return;
        }
        let (dir, refused) = (writer.dir().to_owned(), writer.finish().unwrap_err());
        assert_eq!(refused.to_string(), format!("cannot write `{dir}/raw.parquet`"));
        assert!(refused.hint().is_some());
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_save_that_fails_forgets_nothing() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        writer.raw(vec![raw("up", "a", 3, 1.0)]);
        let (dir, away) = (writer.dir().to_owned(), scratch.dir.join("away"));
        fs::rename(&dir, &away).unwrap();
        let failed = writer.save().unwrap_err().to_string();
        assert!(failed.ends_with("raw.part-0004.parquet`"), "{failed}");
        fs::rename(&away, &dir).unwrap();
        writer.raw(vec![raw("up", "a", 4, 1.0)]);
        let recording = open(&writer.finish().unwrap()).unwrap();
        assert_eq!(samples(&recording)[1].1.len(), 5);
    }

    #[test]
    fn what_is_written_while_more_arrives_is_not_forgotten() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        let more = |writer: &mut Writer, seconds: i64| {
            let labels = raw("up", "a", 0, 1.0).labels;
            let times = vec![at(seconds), at(seconds + 1)];
            writer.series(vec![Series {
                labels,
                times,
                values: vec![1.0; 2],
                ..Series::default()
            }]);
            writer.raw.spill(&writer.dir);
        };
        more(&mut writer, 3);
        more(&mut writer, 5);
        let (dir, away) = (writer.dir().to_owned(), scratch.dir.join("away"));
        writer.save().unwrap();
        assert_eq!(samples(&open(&dir).unwrap())[1].1.len(), 7);
        fs::rename(&dir, &away).unwrap();
        more(&mut writer, 7);
        more(&mut writer, 9);
        assert!(writer.save().is_err());
        fs::rename(&away, &dir).unwrap();
        let recording = open(&writer.finish().unwrap()).unwrap();
        assert_eq!(samples(&recording)[1].1.len(), 11);
    }

    #[test]
    fn no_secret_is_written() {
        let scratch = Scratch::new();
        let secret = || "with s3cret".to_owned();
        let secrets = Secrets::among([("A_TOKEN".to_owned(), "s3cret".to_owned())]);
        let manifest = Manifest { command_line: vec![secret()], ..manifest() };
        let mut writer = Writer::create(&scratch.dir, manifest, secrets).unwrap();
        writer.manifest_mut().fault.asked = secret();
        writer.manifest_mut().environment.insert("tag".to_owned(), secret());
        writer.manifest_mut().ledger.notes.push(secret());
        writer.manifest_mut().sources[0].address = secret();
        writer.fault(FaultRow { object: secret(), detail: secret(), ..fault(1) });
        writer.event(EventRow { message: secret(), ..event("one", 1) });
        writer.save().unwrap();
        let check = |recording: Recording| {
            let all = format!("{recording:?}");
            assert!(!all.contains("s3cret"), "{all}");
            assert_eq!(all.matches("with [redacted]").count(), 8, "{all}");
        };
        check(open(writer.dir()).unwrap());
        check(open(&writer.finish().unwrap()).unwrap());
    }

    #[test]
    fn only_finishing_ends_a_run() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        writer.manifest_mut().status = Status::Interrupted;
        writer.save().unwrap();
        assert_eq!(open(writer.dir()).unwrap().status(), Status::Incomplete);
        let dir = writer.finish().unwrap();
        assert_eq!(open(&dir).unwrap().status(), Status::Interrupted);
    }

    #[test]
    fn the_last_word_on_a_pod_counts() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        writer.pod(pod("api-0"));
        writer.save().unwrap();
        let gone = PodRow { gone_at: Some(at(40)), ..pod("api-1") };
        writer.pod(gone.clone());
        let recording = open(&writer.finish().unwrap()).unwrap();
        assert_eq!(recording.observed.pods, [pod("api-0"), gone]);
    }

    #[test]
    fn a_sample_that_is_not_newer_is_left_out_and_said() {
        let scratch = Scratch::new();
        let mut writer = started(&scratch);
        writer.raw(vec![raw("up", "a", 2, 7.0), raw("up", "a", 1, 7.0), raw("up", "a", 3, 1.0)]);
        let recording = open(&writer.finish().unwrap()).unwrap();
        assert_eq!(samples(&recording)[1].1.len(), 4);
        let notes = &recording.manifest.ledger.notes;
        assert!(
            notes.len() == 1 && notes[0].starts_with("2 raw samples were left out"),
            "{notes:?}"
        );
    }

    #[test]
    fn the_merged_file_does_not_show_where_it_was_cut() {
        let rows = || (0..40).map(|i| raw("m", &format!("target-{}", i % 7), i, i as f64));
        let whole = |saves: &dyn Fn(usize) -> bool| {
            let scratch = Scratch::new();
            let mut writer = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap();
            for (i, row) in rows().enumerate() {
                writer.raw(vec![row]);
                if saves(i) {
                    writer.save().unwrap();
                }
            }
            let dir = writer.finish().unwrap();
            fs::read(dir.join(RAW)).unwrap()
        };
        assert_eq!(whole(&|_| false), whole(&|i| i % 9 == 0));
        assert_eq!(whole(&|_| false), whole(&|_| true));
    }

    /// Writes the run of the next test. The number of threads is fixed when a process starts.
    #[test]
    #[ignore = "run by `threads_do_not_change_the_bytes`"]
    fn write_a_run_to_the_given_store() {
        let store = std::env::var("HOMEOSTAT_TEST_STORE").unwrap();
        let mut writer =
            Writer::create(Utf8Path::new(&store), manifest(), Secrets::default()).unwrap();
        for part in 0..3 {
            let rows =
                (0..2000).map(|i| raw("m", &format!("t{}", i % 50), part * 100 + i / 50, i as f64));
            writer.raw(rows.collect());
            writer.pod(pod(&format!("api-{part}")));
            writer.save().unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn threads_do_not_change_the_bytes() {
        let written = |threads: &str| {
            let scratch = Scratch::new();
            let run = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--ignored",
                    "--exact",
                    "record::writer::tests::write_a_run_to_the_given_store",
                ])
                .env("POLARS_MAX_THREADS", threads)
                .env("HOMEOSTAT_TEST_STORE", &scratch.dir)
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
            let dir =
                scratch.dir.join("hypothesis=api-survives-pod-loss/run=20261123T021500Z-7f3a");
            let names = files(&dir);
            names
                .into_iter()
                .map(|name| (fs::read(dir.join(&name)).unwrap(), name))
                .collect::<Vec<_>>()
        };
        let (one, two) = (written("1"), written("2"));
        assert_eq!(one.len(), 5);
        assert!(one == two && two == written("2"));
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![any::<u64>().prop_map(f64::from_bits), Just(STALE), Just(f64::NAN), Just(-0.0)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever is recorded, and whenever it is saved, every bit of every sample is read
        /// back: from the parts of a killed run and from the merged file alike.
        #[test]
        fn every_sample_is_read_back(
            steps in prop::collection::vec((0..5_usize, "\\PC{0,6}", any_value(), prop::bool::weighted(0.2)), 0..60)
        ) {
            let scratch = Scratch::new();
            let mut writer = Writer::create(&scratch.dir, manifest(), Secrets::default()).unwrap();
            let mut want = std::collections::BTreeMap::<(String, String), (String, Vec<(Time, u64)>)>::new();
            for (i, (metric, target, value, save)) in steps.into_iter().enumerate() {
                let metric = format!("metric_{metric}");
                let labels = Labels::new([("__name__".to_owned(), metric.clone()), ("target".to_owned(), target)]);
                let time = at(i as i64);
                want.entry((metric, labels.to_json()))
                    .or_insert_with(|| (labels.to_string(), Vec::new()))
                    .1
                    .push((time, value.to_bits()));
                writer.raw(vec![RawRow { labels, time, value }]);
                if save {
                    writer.save().unwrap();
                }
            }
            let want: Vec<_> = want.into_values().collect();
            writer.save().unwrap();
            prop_assert_eq!(&samples(&open(writer.dir()).unwrap()), &want);
            // Bands of a few samples, to cross their edges.
            writer.raw.merge_in_bands(&writer.dir.join(RAW), 7).unwrap();
            prop_assert_eq!(&samples(&open(writer.dir()).unwrap()), &want);
            prop_assert_eq!(&samples(&open(&writer.finish().unwrap()).unwrap()), &want);
        }
    }
}
