//! `verdict.json`, read the way a script of a user reads it.

use std::path::Path;

use serde_json::Value;

/// A verdict with its grounds.
pub(crate) struct VerdictFile(Value);

impl VerdictFile {
    /// From a run's directory.
    #[track_caller]
    pub(crate) fn of_run(run: &Path) -> Self {
        Self::parse(&fs_err::read_to_string(run.join("verdict.json")).unwrap())
    }

    /// From what `--format json` printed.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}")))
    }

    /// `pass`, `fail` or `inconclusive`.
    #[track_caller]
    pub(crate) fn outcome(&self) -> &str {
        self.0["verdict"].as_str().unwrap()
    }

    /// The code of each ground, the deciding one first.
    #[track_caller]
    pub(crate) fn grounds(&self) -> Vec<&str> {
        let grounds = self.0["grounds"].as_array().unwrap();
        grounds.iter().map(|ground| ground["code"].as_str().unwrap()).collect()
    }

    /// The state of the evidence.
    #[track_caller]
    pub(crate) fn evidence(&self) -> &str {
        self.0["evidence"].as_str().unwrap()
    }

    /// A check by its id.
    #[track_caller]
    pub(crate) fn check(&self, id: &str) -> CheckView<'_> {
        self.find("checks", id)
    }

    /// What a check's objective came to in *before*.
    #[track_caller]
    pub(crate) fn steady(&self, id: &str) -> CheckView<'_> {
        self.find("steady", id)
    }

    #[track_caller]
    fn find(&self, list: &str, id: &str) -> CheckView<'_> {
        let found = self.0[list].as_array().unwrap().iter().find(|check| check["id"] == id);
        CheckView(found.unwrap_or_else(|| panic!("no `{id}` in {list}: {:#}", self.0[list])))
    }
}

/// One check of a verdict.
pub(crate) struct CheckView<'a>(&'a Value);

impl CheckView<'_> {
    /// `pass`, `fail` or `inconclusive`.
    #[track_caller]
    pub(crate) fn outcome(&self) -> &str {
        self.0["verdict"].as_str().unwrap()
    }

    /// What was held against the bound: `value`, `lower` or `upper`.
    #[track_caller]
    pub(crate) fn observed(&self, which: &str) -> f64 {
        let key = match which {
            "value" => "observed".to_owned(),
            bound => format!("observed_{bound}"),
        };
        let number = self.0[key.as_str()].as_f64();
        number.unwrap_or_else(|| panic!("no `{key}` in {:#}", self.0))
    }

    /// The codes of what could not be told.
    #[track_caller]
    pub(crate) fn reasons(&self) -> Vec<&str> {
        let reasons = self.0["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap()).collect()
    }
}
