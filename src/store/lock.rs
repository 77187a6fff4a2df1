//! Who disturbs what in a store just now, so that two runs never disturb the same.
//!
//! Each run that injects holds a file under `STORE/.locks` for as long as it lives; the kernel
//! lets go of it when the process dies, however it dies. Admission is one at a time, under a
//! lock of its own, so that of two runs that begin at once one is first.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::pending::{PendingRun, pending};
use crate::record::{RecordError, layout};

const LOCKS: &str = ".locks";
/// Held for the short time of an admission; hidden, so no run can have this id.
const ADMISSION: &str = ".admission";

/// What a run is about to disturb.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Claim {
    /// Pods of a namespace.
    Pods {
        /// The address of the cluster.
        cluster: String,
        /// The namespace.
        namespace: String,
        /// The selector, as it is written.
        selector: String,
        /// The labels that every pod of the selector has, each with its possible values.
        labels: BTreeMap<String, Vec<String>>,
    },
    /// Something that only the program of this hypothesis knows.
    Program,
    /// Nothing new: a run is being taken back.
    Undo,
}

/// The run that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its id.
    pub run_id: String,
    /// Its hypothesis.
    pub hypothesis_name: String,
    /// What it disturbs.
    pub claim: Claim,
}

impl Holder {
    /// Whether both may disturb the same. Two selectors are told apart only by a label that both
    /// ask for, with no value in common; one cluster with two addresses counts as two.
    fn conflicts_with(&self, other: &Self) -> bool {
        match (&self.claim, &other.claim) {
            (
                Claim::Pods { cluster, namespace, labels, .. },
                Claim::Pods {
                    cluster: other_cluster, namespace: other_space, labels: others, ..
                },
            ) => {
                let apart = labels.iter().any(|(key, values)| {
                    let other = others.get(key);
                    other.is_some_and(|other| !values.iter().any(|value| other.contains(value)))
                });
                cluster == other_cluster && namespace == other_space && !apart
            }
            (Claim::Program, Claim::Program) => self.hypothesis_name == other.hypothesis_name,
            (Claim::Pods { .. }, Claim::Program | Claim::Undo)
            | (Claim::Program, Claim::Pods { .. } | Claim::Undo)
            | (Claim::Undo, Claim::Pods { .. } | Claim::Program | Claim::Undo) => false,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run_id, hypothesis_name, claim } = self;
        match claim {
            Claim::Pods { namespace, selector, .. } => {
                write!(f, "run {run_id} disturbs `{selector}` in namespace `{namespace}`")
            }
            Claim::Program => write!(f, "run {run_id} runs the program of `{hypothesis_name}`"),
            Claim::Undo => write!(f, "run {run_id} is being taken back"),
        }
    }
}

/// Why a run, or an undo, may not begin. Nothing was begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LockError {
    /// Another run disturbs the same.
    #[error("{holder} just now")]
    Held {
        /// That run.
        holder: Box<Holder>,
    },
    /// A run that was killed, or whose undo failed, has left something to take back.
    #[error("{} left something behind: {}", if runs.len() == 1 { "a run" } else { "runs" }, runs.join(", "))]
    Pending {
        /// The store.
        store: Utf8PathBuf,
        /// Their ids.
        runs: Vec<String>,
    },
    /// The run is still going on.
    #[error("run {run_id} is still going on")]
    Alive {
        /// Its id.
        run_id: String,
    },
    /// The store could not be read or written.
    #[error("the locks of the store could not be used")]
    Store(#[from] RecordError),
}

impl LockError {
    /// What the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some("wait for its end, or stop it".to_owned()),
            Self::Pending { store, runs } => {
                let commands: Vec<String> = runs
                    .iter()
                    .map(|run| format!("`homeostat undo {run} --store {store}`"))
                    .collect();
                Some(format!(
                    "{} takes it back; of a recording that is gone, delete its file in `{}`",
                    commands.join(" and "),
                    store.join(".pending"),
                ))
            }
            Self::Alive { .. } => {
                Some("stop it with Ctrl-C or SIGTERM: it takes back what it did itself".to_owned())
            }
            Self::Store(_) => None,
        }
    }
}

/// A run's place among those that disturb. Dropped, or dead, it is free.
#[derive(Debug)]
pub(crate) struct Lock {
    path: Utf8PathBuf,
    _held: File,
}

impl Lock {
    /// Admits a run that is about to disturb something.
    pub(crate) fn admit(store: &Utf8Path, holder: &Holder) -> Result<Self, LockError> {
        let admission = Admission::of(store)?;
        let others = admission.living()?;
        refuse_pending(store, &others)?;
        if let Some(other) = others.into_iter().find(|other| holder.conflicts_with(other)) {
            return Err(LockError::Held { holder: Box::new(other) });
        }
        Ok(admission.take(holder)?)
    }

    /// Admits a run that disturbs nothing: it only must not begin on something left behind.
    pub(crate) fn admit_placebo(store: &Utf8Path) -> Result<(), LockError> {
        refuse_pending(store, &Admission::of(store)?.living()?)
    }

    /// Admits the undo of a run that is over.
    pub(crate) fn admit_undo(store: &Utf8Path, holder: &Holder) -> Result<Self, LockError> {
        let admission = Admission::of(store)?;
        let same = |other: &Holder| other.run_id == holder.run_id;
        match admission.living()?.into_iter().find(same) {
            None => Ok(admission.take(holder)?),
            Some(other) if other.claim == Claim::Undo => {
                Err(LockError::Held { holder: Box::new(other) })
            }
            Some(other) => Err(LockError::Alive { run_id: other.run_id }),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever looks next would sweep it anyway.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path, "a lock was left behind");
        }
    }
}

/// What a run left behind is pending, unless that run is alive and takes it back itself.
fn refuse_pending(store: &Utf8Path, living: &[Holder]) -> Result<(), LockError> {
    let in_hand = |run: &PendingRun| {
        living.iter().any(|one| one.run_id == run.run_id && one.claim != Claim::Undo)
    };
    let runs: Vec<String> =
        pending(store)?.into_iter().filter(|run| !in_hand(run)).map(|run| run.run_id).collect();
    if runs.is_empty() {
        return Ok(());
    }
    Err(LockError::Pending { store: store.to_owned(), runs })
}

/// The right to look at the locks of a store and to add one.
struct Admission {
    dir: Utf8PathBuf,
    _held: File,
}

impl Admission {
    fn of(store: &Utf8Path) -> Result<Self, RecordError> {
        let dir = store.join(LOCKS);
        fs::create_dir_all(&dir).map_err(RecordError::io("create", &dir))?;
        let path = dir.join(ADMISSION);
        let file = open(&path).map_err(RecordError::io("write", &path))?;
        file.lock().map_err(RecordError::io("lock", &path))?;
        Ok(Self { dir, _held: file })
    }

    /// Those who hold a lock. Files of the dead are swept.
    fn living(&self) -> Result<Vec<Holder>, RecordError> {
        let mut living = Vec::new();
        for name in layout::names(&self.dir)? {
            let path = self.dir.join(&name);
            if name == ADMISSION {
                continue;
            }
            match open(&path).map_err(RecordError::io("read", &path))?.try_lock() {
                Ok(()) => fs::remove_file(&path).map_err(RecordError::io("remove", &path))?,
                Err(TryLockError::WouldBlock) => living.extend(holder(&path)?),
                Err(TryLockError::Error(error)) => {
                    return Err(RecordError::io("lock", &path)(error));
                }
            }
        }
        Ok(living)
    }

    fn take(&self, holder: &Holder) -> Result<Lock, RecordError> {
        layout::check_name("run id", &holder.run_id)?;
        let path = self.dir.join(&holder.run_id);
        let mut file = open(&path).map_err(RecordError::io("write", &path))?;
        file.try_lock().map_err(|refused| RecordError::io("lock", &path)(refused.into()))?;
        let text = serde_json::to_vec(holder)
            .map_err(|source| RecordError::Manifest { path: path.clone(), source })?;
        file.write_all(&text).map_err(RecordError::io("write", &path))?;
        Ok(Lock { path, _held: file })
    }
}

/// Who holds a lock; none when it has just been let go.
fn holder(path: &Utf8Path) -> Result<Option<Holder>, RecordError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(RecordError::io("read", path))?,
    };
    let broken = |source| RecordError::Manifest { path: path.to_owned(), source };
    serde_json::from_slice(&text).map(Some).map_err(broken)
}

/// Opens a file to lock it, and makes it where it is not there.
fn open(path: &Utf8Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{
            KeptProgram,
            testing::{Scratch, files},
        },
        redact::Secrets,
        store::{Change, UndoJournal},
    };

    fn pods(run: &str, cluster: &str, namespace: &str, labels: &[(&str, &[&str])]) -> Holder {
        let owned = |(key, values): &(&str, &[&str])| {
            ((*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
        };
        let claim = Claim::Pods {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
            selector: "app=api".to_owned(),
            labels: labels.iter().map(owned).collect(),
        };
        Holder { run_id: run.to_owned(), hypothesis_name: "a".to_owned(), claim }
    }

    fn api(run: &str) -> Holder {
        pods(run, "c", "shop", &[("app", &["api"])])
    }

    fn program(run: &str, hypothesis: &str) -> Holder {
        let (run_id, hypothesis_name) = (run.to_owned(), hypothesis.to_owned());
        Holder { run_id, hypothesis_name, claim: Claim::Program }
    }

    #[track_caller]
    fn check(first: &Holder, second: &Holder, conflict: bool) {
        assert_eq!(first.conflicts_with(second), conflict);
        assert_eq!(second.conflicts_with(first), conflict);
    }

    #[test]
    fn pods_conflict_unless_they_are_provably_others() {
        check(&api("1"), &api("2"), true);
        check(&api("1"), &pods("2", "c", "shop", &[("app", &["web"])]), false);
        check(&api("1"), &pods("2", "c", "shop", &[("app", &["web", "api"])]), true);
        check(&api("1"), &pods("2", "c", "shop", &[("tier", &["edge"])]), true);
        check(&api("1"), &pods("2", "c", "shop", &[]), true);
        check(&api("1"), &pods("2", "c", "prod", &[("app", &["api"])]), false);
        check(&api("1"), &pods("2", "d", "shop", &[("app", &["api"])]), false);
    }

    #[test]
    fn programs_conflict_within_a_hypothesis() {
        check(&program("1", "a"), &program("2", "a"), true);
        check(&program("1", "a"), &program("2", "b"), false);
        check(&program("1", "a"), &api("2"), false);
    }

    #[test]
    fn the_second_is_refused_until_the_first_is_over() {
        let scratch = Scratch::new();
        let first = Lock::admit(&scratch.dir, &api("one")).unwrap();
        let refused = Lock::admit(&scratch.dir, &api("two")).unwrap_err();
        assert_eq!(refused.to_string(), "run one disturbs `app=api` in namespace `shop` just now");
        Lock::admit_placebo(&scratch.dir).unwrap();
        drop(first);
        let _second = Lock::admit(&scratch.dir, &api("two")).unwrap();
        assert_eq!(files(&scratch.dir.join(LOCKS)), [".admission", "two"]);
    }

    #[test]
    fn the_file_of_a_dead_run_is_swept() {
        let scratch = Scratch::new();
        let dir = scratch.dir.join(LOCKS);
        fs::create_dir_all(&dir).unwrap();
        let text = serde_json::to_vec(&api("dead")).unwrap();
        crate::record::atomic::write(&dir.join("dead"), &text).unwrap();
        let _lock = Lock::admit(&scratch.dir, &api("next")).unwrap();
        assert_eq!(files(&dir), [".admission", "next"]);
    }

    #[test]
    fn what_a_run_left_behind_stops_the_next_one() {
        let scratch = Scratch::new();
        fs::create_dir_all(scratch.dir.join("hypothesis=a/run=one")).unwrap();
        let mut journal = UndoJournal::begin(&scratch.dir, "a", "one").unwrap();
        let living = Lock::admit(&scratch.dir, &program("one", "a")).unwrap();
        let argv = KeptProgram::new(&["mend".to_owned()], &Secrets::default());
        journal.add(Change::Command { argv }).unwrap();
        // It is in good hands.
        Lock::admit_placebo(&scratch.dir).unwrap();
        let undo = Holder { claim: Claim::Undo, ..program("one", "a") };
        let alive = Lock::admit_undo(&scratch.dir, &undo).unwrap_err();
        assert_eq!(alive.to_string(), "run one is still going on");
        drop(living);

        let refused = Lock::admit(&scratch.dir, &program("two", "b")).unwrap_err();
        assert_eq!(refused.to_string(), "a run left something behind: one");
        assert!(refused.hint().unwrap().contains("`homeostat undo one --store "));
        let undoing = Lock::admit_undo(&scratch.dir, &undo).unwrap();
        assert!(matches!(Lock::admit_placebo(&scratch.dir), Err(LockError::Pending { .. })));
        let again = Lock::admit_undo(&scratch.dir, &undo).unwrap_err();
        assert_eq!(again.to_string(), "run one is being taken back just now");
        drop(undoing);
    }

    #[test]
    fn of_many_that_begin_at_once_one_is_first() {
        let scratch = Scratch::new();
        let admitted: Vec<bool> = std::thread::scope(|scope| {
            let begin = |run: usize| {
                let store = scratch.dir.clone();
                scope.spawn(move || {
                    // Held to the end of the test, as a run holds it.
                    Lock::admit(&store, &api(&run.to_string())).map(std::mem::forget).is_ok()
                })
            };
            let all: Vec<_> = (0..8).map(begin).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(admitted.iter().filter(|one| **one).count(), 1);
    }
}
