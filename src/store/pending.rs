//! The undo journal of a run: what its fault changes, written down before it is changed.
//!
//! `undo.json` stays with the recording. `STORE/.pending/RUN_ID` names its directory for as long
//! as something is to be taken back: it is what the next run in the store looks at. Both are
//! read and written only here; see `docs/format.md`.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::{
    record::{KeptProgram, RecordError, atomic, intake, layout, limits},
    time::Time,
};

/// The version of `undo.json`. Since 2 an argument may name a variable in the place of a secret.
pub(crate) const UNDO_VERSION: u32 = 2;

const FILE: &str = "undo.json";
const PENDING: &str = ".pending";

/// A thing that a fault changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Change {
    /// Whatever it is, this program takes it back.
    Command {
        /// Program and arguments, without secrets; no shell.
        argv: KeptProgram,
    },
    /// Processes were started.
    ProcessGroup {
        /// The supervisor's number.
        pid: i32,
        /// When that process started, in clock ticks since the boot.
        started: u64,
        /// Which boot.
        boot_id: String,
        /// What all of them carry in their environment.
        mark: String,
    },
}

/// Whether it has been taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum StepState {
    /// Not yet.
    Pending,
    /// It was tried in vain.
    Failed {
        /// When.
        at: Time,
        /// What happened.
        detail: String,
    },
    /// It has.
    Done {
        /// When.
        at: Time,
        /// What happened.
        detail: String,
    },
    /// Someone decided that it never will be.
    Forgotten {
        /// When.
        at: Time,
        /// Who.
        by: String,
    },
}

/// A change, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UndoStep {
    /// The change.
    pub change: Change,
    /// What became of it.
    #[serde(flatten)]
    pub state: StepState,
}

impl UndoStep {
    /// Whether it is still to be taken back.
    pub(crate) fn is_pending(&self) -> bool {
        match self.state {
            StepState::Pending | StepState::Failed { .. } => true,
            StepState::Done { .. } | StepState::Forgotten { .. } => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct UndoFile {
    format_version: u32,
    run_id: String,
    steps: Vec<UndoStep>,
}

/// The undo journal of one run.
#[derive(Clone, Debug)]
pub(crate) struct UndoJournal {
    file: UndoFile,
    path: Utf8PathBuf,
    pointer: Utf8PathBuf,
    /// The run's directory, as seen from the store.
    place: Utf8PathBuf,
}

impl UndoJournal {
    /// A journal for a run of a store, with nothing in it: no file is made yet.
    pub(crate) fn begin(
        store: &Utf8Path,
        hypothesis_name: &str,
        run_id: &str,
    ) -> Result<Self, RecordError> {
        let place = layout::run_dir(Utf8Path::new(""), hypothesis_name, run_id)?;
        let file =
            UndoFile { format_version: UNDO_VERSION, run_id: run_id.to_owned(), steps: Vec::new() };
        Ok(Self {
            file,
            path: store.join(&place).join(FILE),
            pointer: pointer(store, run_id),
            place,
        })
    }

    /// The journal of a run that its store knows as one with something to take back. None when
    /// it does not, whatever an `undo.json` in the directory says: a recording that came from
    /// elsewhere has nothing to take back here, and what it names is not to be run.
    pub(crate) fn open(store: &Utf8Path, dir: &Utf8Path) -> Result<Option<Self>, RecordError> {
        let canonical =
            |path: &Utf8Path| path.canonicalize_utf8().map_err(RecordError::io("read", path));
        let dir = canonical(dir)?;
        for pending in pending(store)? {
            if pending.dir.canonicalize_utf8().is_ok_and(|known| known == dir) {
                return Self::read(store, &pending).map(Some);
            }
        }
        Ok(None)
    }

    fn read(store: &Utf8Path, pending: &PendingRun) -> Result<Self, RecordError> {
        let path = pending.dir.join(FILE);
        let text = read(&path)?;
        let broken = |source| RecordError::Manifest { path: path.clone(), source };
        let version: Version = serde_json::from_str(&text).map_err(broken)?;
        if version.format_version > UNDO_VERSION {
            return Err(RecordError::Newer { path, found: version.format_version });
        }
        let file: UndoFile = serde_json::from_str(&text).map_err(broken)?;
        let place = pending.dir.strip_prefix(store).unwrap_or(&pending.dir).to_owned();
        Ok(Self { file, path, pointer: pointer(store, &pending.run_id), place })
    }

    /// The run.
    pub(crate) fn run_id(&self) -> &str {
        &self.file.run_id
    }

    /// Every step, in the order in which the changes are made.
    pub(crate) fn steps(&self) -> &[UndoStep] {
        &self.file.steps
    }

    /// The places of the steps that are still to be taken back, the newest first.
    pub(crate) fn pending(&self) -> Vec<usize> {
        let steps = self.file.steps.iter().enumerate().rev();
        steps.filter(|(_, step)| step.is_pending()).map(|(place, _)| place).collect()
    }

    /// Writes down a change that is about to be made. When this returns it is on the disk.
    pub(crate) fn add(&mut self, change: Change) -> Result<(), RecordError> {
        self.file.steps.push(UndoStep { change, state: StepState::Pending });
        self.save()
    }

    /// Writes down what became of a step.
    pub(crate) fn settle(&mut self, place: usize, state: StepState) -> Result<(), RecordError> {
        if let Some(step) = self.file.steps.get_mut(place) {
            step.state = state;
        }
        self.save()
    }

    /// First the steps, then the pointer to them; and the other way round at the end. A run that
    /// is killed in between leaves no pointer to nothing.
    fn save(&self) -> Result<(), RecordError> {
        let mut text = serde_json::to_string_pretty(&self.file)
            .map_err(|source| RecordError::Manifest { path: self.path.clone(), source })?;
        text.push('\n');
        atomic::write(&self.path, text.as_bytes())?;
        if self.file.steps.iter().any(UndoStep::is_pending) {
            let dir = self.pointer.parent().unwrap_or(&self.pointer);
            fs::create_dir_all(dir).map_err(RecordError::io("create", dir))?;
            atomic::write(&self.pointer, format!("{}\n", self.place).as_bytes())
        } else {
            match fs::remove_file(&self.pointer) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(RecordError::io("remove", &self.pointer)(error))
                }
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }
}

#[derive(Deserialize)]
struct Version {
    format_version: u32,
}

/// A run with something to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingRun {
    /// Its id.
    pub run_id: String,
    /// Its directory.
    pub dir: Utf8PathBuf,
}

/// The runs of a store with something to take back, those that are still going on among them.
pub(crate) fn pending(store: &Utf8Path) -> Result<Vec<PendingRun>, RecordError> {
    let dir = store.join(PENDING);
    let mut found = Vec::new();
    for run_id in layout::names(&dir)? {
        // What a write that was cut short left behind.
        if run_id.starts_with('.') {
            continue;
        }
        let path = dir.join(&run_id);
        let place = read(&path)?;
        found.push(PendingRun { dir: store.join(place.trim()), run_id });
    }
    Ok(found)
}

/// The text of a file that is there.
fn read(path: &Utf8Path) -> Result<String, RecordError> {
    let text = intake::read_text(path, limits::MANIFEST_BYTES)?;
    text.ok_or_else(|| RecordError::Missing { path: path.to_owned() })
}

fn pointer(store: &Utf8Path, run_id: &str) -> Utf8PathBuf {
    store.join(PENDING).join(run_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::testing::{Scratch, at, files},
        redact::Secrets,
    };

    fn change() -> Change {
        let argv = ["mend".to_owned(), "it".to_owned()];
        Change::Command { argv: KeptProgram::new(&argv, &Secrets::default()) }
    }

    fn begin(scratch: &Scratch, run: &str) -> UndoJournal {
        let dir = layout::run_dir(&scratch.dir, "api", run).unwrap();
        fs::create_dir_all(dir).unwrap();
        UndoJournal::begin(&scratch.dir, "api", run).unwrap()
    }

    fn ids(scratch: &Scratch) -> Vec<String> {
        pending(&scratch.dir).unwrap().into_iter().map(|run| run.run_id).collect()
    }

    #[test]
    fn what_is_added_is_pending_until_it_is_settled() {
        let scratch = Scratch::new();
        let mut journal = begin(&scratch, "one");
        assert_eq!(ids(&scratch), [""; 0]);
        journal.add(change()).unwrap();
        let group =
            Change::ProcessGroup { pid: 7, started: 9, boot_id: "b".into(), mark: "m".into() };
        journal.add(group).unwrap();
        assert_eq!((ids(&scratch), journal.pending()), (vec!["one".to_owned()], vec![1, 0]));

        journal.settle(1, StepState::Done { at: at(1), detail: "ended".into() }).unwrap();
        journal.settle(0, StepState::Failed { at: at(2), detail: "exit status 1".into() }).unwrap();
        assert_eq!((ids(&scratch), journal.pending()), (vec!["one".to_owned()], vec![0]));

        let dir = scratch.dir.join("hypothesis=api/run=one");
        let mut again = UndoJournal::open(&scratch.dir, &dir).unwrap().unwrap();
        assert_eq!((again.run_id(), again.steps()), ("one", journal.steps()));
        again.settle(0, StepState::Forgotten { at: at(3), by: "ada".into() }).unwrap();
        assert_eq!(ids(&scratch), [""; 0]);
        assert!(UndoJournal::open(&scratch.dir, &dir).unwrap().is_none());
        assert_eq!(files(&dir), ["undo.json"]);
    }

    #[test]
    fn a_recording_from_elsewhere_has_nothing_to_take_back_here() {
        let (here, elsewhere) = (Scratch::new(), Scratch::new());
        begin(&elsewhere, "one").add(change()).unwrap();
        begin(&here, "one");
        let dir = here.dir.join("hypothesis=api/run=one");
        let theirs = elsewhere.dir.join("hypothesis=api/run=one");
        fs::copy(theirs.join(FILE), dir.join(FILE)).unwrap();
        assert!(UndoJournal::open(&here.dir, &dir).unwrap().is_none());
        assert!(UndoJournal::open(&here.dir, &theirs).unwrap().is_none());
    }

    #[test]
    fn the_file_is_read_by_people_too() {
        let step = UndoStep { change: change(), state: StepState::Pending };
        let text = serde_json::to_string(&step).unwrap();
        assert_eq!(text, r#"{"change":{"kind":"command","argv":["mend","it"]},"state":"pending"}"#);
        assert_eq!(serde_json::from_str::<UndoStep>(&text).unwrap(), step);
    }

    #[test]
    fn a_journal_of_version_1_is_still_taken_back() {
        let scratch = Scratch::new();
        let mut journal = begin(&scratch, "one");
        journal.add(change()).unwrap();
        let old = include_str!("../../tests/data/undo-v1.json");
        assert!(old.contains("\"format_version\": 1"));
        atomic::write(&journal.path, old.as_bytes()).unwrap();
        let dir = scratch.dir.join("hypothesis=api/run=one");
        let opened = UndoJournal::open(&scratch.dir, &dir).unwrap().unwrap();
        assert_eq!(opened.steps(), journal.steps());
    }

    #[test]
    fn a_later_version_is_not_guessed_at() {
        let scratch = Scratch::new();
        let mut journal = begin(&scratch, "one");
        journal.add(change()).unwrap();
        let text = fs::read_to_string(&journal.path).unwrap();
        let later = text.replace("\"format_version\": 2", "\"format_version\": 3");
        assert_ne!(text, later);
        atomic::write(&journal.path, later.as_bytes()).unwrap();
        let dir = scratch.dir.join("hypothesis=api/run=one");
        let error = UndoJournal::open(&scratch.dir, &dir).unwrap_err();
        assert!(matches!(error, RecordError::Newer { found: 3, .. }), "{error}");
    }
}
