//! The files of the repository, as the rules read them.

use std::path::{Path, PathBuf};

/// A file, by its path from the root of the repository.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
}

impl Source {
    pub(super) fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        // A file that shows what is not UTF-8 is none.
        let text = String::from_utf8_lossy(&fs_err::read(path).unwrap()).into_owned();
        Self { name, text }
    }

    /// The module of the top level that it belongs to.
    pub(super) fn module(&self) -> &str {
        let inside = self.name.strip_prefix("src/").unwrap_or_default();
        inside.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Everything above its own tests; nothing of a file that is all tests.
    pub(super) fn code(&self) -> &str {
        if self.name.ends_with("/tests.rs") {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap()
    }

    /// The numbered lines of its code, without comments.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.code().lines().enumerate();
        code.map(|(n, line)| (n + 1, line.split("//").next().unwrap().trim_end()))
    }

    pub(super) fn names_a_machine(&self) -> bool {
        // Spelled in two parts, or this file would be the first to be found.
        let signs = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"], ["arti", "factory"]];
        signs.iter().any(|parts| self.text.contains(&parts.concat()))
    }
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a directory with one of these endings, or all of them.
pub(super) fn files(dir: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![root().join(dir)];
    while let Some(dir) = ahead.pop() {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if path.is_dir() {
                ahead.push(path);
            } else if endings.is_empty() || endings.contains(&ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
