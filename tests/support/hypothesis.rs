//! A worked example, edited for one test: shorter, or with the part changed that the test is about.

use std::path::{Path, PathBuf};

use regex::{NoExpand, Regex};

/// The text of a hypothesis on its way to a file.
#[derive(Clone)]
pub(crate) struct HypothesisFile {
    text: String,
}

impl HypothesisFile {
    /// `hypotheses/pod-loss-30.yaml` with phases of seconds, a bound on latency that a busy machine
    /// keeps, and no guard, which is tripped by scrapes that come late: the demo is what is held to
    /// all of the example.
    #[track_caller]
    pub(crate) fn short() -> Self {
        Self::example("pod-loss-30")
            .set("phases", "{before: 8s, during: 6s, after: 8s, step: 1s}")
            .replace(r"over: *\d+m?s", "over: 3s")
            .replace("below: 200ms", "below: 2.5s")
            .without("guard")
    }

    /// One of the committed examples.
    #[track_caller]
    pub(crate) fn example(name: &str) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("hypotheses/{name}.yaml"));
        Self { text: fs_err::read_to_string(file).unwrap() }
    }

    /// A text of the test's own.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// Sets a key of the top level, with everything below it, whether it is there or not.
    pub(crate) fn set(self, key: &str, new: &str) -> Self {
        let Self { mut text } = self.without(key);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&format!("{key}: {new}\n"));
        Self { text }
    }

    /// Adds a text at the end.
    pub(crate) fn append(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Leaves out a key of the top level, where there is one, with everything below it.
    pub(crate) fn without(self, key: &str) -> Self {
        let text = block(key).replace(&self.text, NoExpand("")).into_owned();
        Self { text }
    }

    /// The selector of the pods that the example kills.
    #[track_caller]
    pub(crate) fn selector(&self) -> String {
        let found = Regex::new(r"selector: *([^,}\s]+)").unwrap().captures(&self.text);
        found.expect("the example selects pods")[1].to_owned()
    }

    /// Replaces whatever matches, which must be there.
    #[track_caller]
    pub(crate) fn replace(self, pattern: &str, new: &str) -> Self {
        let text = Regex::new(pattern).unwrap().replace_all(&self.text, NoExpand(new)).into_owned();
        assert_ne!(text, self.text, "`{pattern}` is not in the hypothesis, or is `{new}` already");
        Self { text }
    }

    /// Writes it into a directory and returns the file.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let file = dir.join("hypothesis.yaml");
        fs_err::write(&file, &self.text).unwrap();
        file
    }
}

/// A key of the top level with the lines below it that belong to it.
fn block(key: &str) -> Regex {
    Regex::new(&format!(r"(?m)^{key}:.*\n(?:(?:[ -].*)?\n)*")).unwrap()
}

#[test]
fn a_top_level_key_goes_with_all_below_it() {
    let text = HypothesisFile::text("a: 1\nb:\n  - x\n\n  # why\n  - y\nc: 3\n");
    assert_eq!(text.clone().set("b", "2").text, "a: 1\nc: 3\nb: 2\n");
    assert_eq!(text.without("b").without("nowhere").text, "a: 1\nc: 3\n");
}
