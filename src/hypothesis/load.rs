//! Reads the text of a hypothesis. The only file of this module that touches the world.

use std::{
    fs::File,
    io::{self, Read},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    code::Code,
    problem::{Problem, Problems, Span},
};

/// The most bytes that a hypothesis may have: far more than anyone writes by hand.
pub const SIZE_LIMIT: u64 = 1024 * 1024;

/// Why a file cannot be read as a hypothesis.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is nothing of that name.
    #[error("there is no file `{0}`")]
    Missing(Utf8PathBuf),
    /// It is no regular file.
    #[error("`{path}` is {what}, not a file with a hypothesis")]
    NotAFile {
        /// The path.
        path: Utf8PathBuf,
        /// What it is: `a directory`.
        what: &'static str,
    },
    /// It is larger than [`SIZE_LIMIT`].
    #[error("`{path}` has more than {SIZE_LIMIT} bytes, the most a hypothesis may have")]
    TooLarge {
        /// The file.
        path: Utf8PathBuf,
    },
    /// It is not UTF-8.
    #[error("`{path}` is not UTF-8: the byte at {offset} cannot be read")]
    NotUtf8 {
        /// The file.
        path: Utf8PathBuf,
        /// Where the first bad byte is.
        offset: usize,
        /// What can be read of it.
        text: String,
    },
    /// The system refused.
    #[error("cannot read `{path}`")]
    Refused {
        /// The file.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// The code of it as a problem.
    pub fn code(&self) -> Code {
        match self {
            Self::Missing(_) => Code::NoSuchFile,
            Self::NotAFile { .. } => Code::NotAFile,
            Self::TooLarge { .. } => Code::FileTooLarge,
            Self::NotUtf8 { .. } => Code::NotUtf8,
            Self::Refused { .. } => Code::UnreadableFile,
        }
    }

    /// Whether the file was seen and is no hypothesis; otherwise it could not be looked at, which
    /// says nothing about it.
    pub fn is_about_the_text(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::NotUtf8 { .. } => true,
            Self::Missing(_) | Self::NotAFile { .. } | Self::Refused { .. } => false,
        }
    }

    /// The way out.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing(_) => "is the path right, from the directory you are in?",
            Self::NotAFile { what: "a directory", .. } => {
                "`homeostat lint` takes a directory with `*.yaml` files in it; every other command, a file"
            }
            Self::NotAFile { .. } => "name a file; `homeostat lint -` reads a text from its input",
            Self::TooLarge { .. } => "is it a hypothesis? The longest worked example has 3 kB",
            Self::NotUtf8 { text, .. } if text.starts_with('\u{fffd}') => {
                "this looks like UTF-16, or like no text at all; save it as UTF-8"
            }
            Self::NotUtf8 { .. } => "save the file as UTF-8",
            Self::Refused { .. } => "may you read it? `ls -l` shows who may",
        }
    }

    /// The same as the only problem of the file.
    pub fn problems(&self) -> Problems {
        let (path, text, at) = match self {
            Self::Missing(path) | Self::NotAFile { path, .. } | Self::TooLarge { path } => {
                (path, "", 0)
            }
            Self::Refused { path, .. } => (path, "", 0),
            Self::NotUtf8 { path, offset, text } => (path, text.as_str(), *offset),
        };
        let message = match self {
            Self::Refused { source, .. } => format!("{self}: {source}"),
            Self::Missing(_)
            | Self::NotAFile { .. }
            | Self::TooLarge { .. }
            | Self::NotUtf8 { .. } => self.to_string(),
        };
        let span = Span { start: at, end: at, ..Span::TOP };
        let problem = Problem::new(self.code(), span, message).hint(self.hint());
        Problems::new(path.as_str(), text, vec![problem])
    }
}

/// The text of the file, without a byte order mark.
pub fn read(path: &Utf8Path) -> Result<String, LoadError> {
    let refused = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            LoadError::Missing(path.to_owned())
        } else {
            LoadError::Refused { path: path.to_owned(), source }
        }
    };
    // Asked before it is opened: opening a pipe would wait for a writer.
    let kind = path.metadata().map_err(refused)?.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "a pipe, a socket or a device" };
        return Err(LoadError::NotAFile { path: path.to_owned(), what });
    }
    text_of(File::open(path).map_err(refused)?, path)
}

/// A text that comes from elsewhere, such as the input; `path` is its name.
pub fn text_of(from: impl Read, path: &Utf8Path) -> Result<String, LoadError> {
    let mut bytes = Vec::new();
    from.take(SIZE_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| LoadError::Refused { path: path.to_owned(), source })?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(LoadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|error| LoadError::NotUtf8 {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
        text: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// The `*.yaml` and `*.yml` files of a directory, sorted; not those of directories in it.
pub fn files_in(dir: &Utf8Path) -> Result<Vec<Utf8PathBuf>, LoadError> {
    let refused = |source| LoadError::Refused { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in dir.read_dir_utf8().map_err(refused)? {
        let path = entry.map_err(refused)?.into_path();
        if matches!(path.extension(), Some("yaml" | "yml")) && !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let what = "a directory without `*.yaml` files";
        return Err(LoadError::NotAFile { path: dir.to_owned(), what });
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: Option<&[u8]>, want: Result<&str, &str>) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("a.yaml")).unwrap();
        if let Some(bytes) = bytes {
            fs_err::write(&path, bytes).unwrap();
        }
        let got = read(&path).map_err(|e| e.to_string().replace(path.as_str(), "a.yaml"));
        assert_eq!(got.as_deref().map_err(String::as_str), want);
    }

    #[test]
    fn a_text_is_read_up_to_the_limit() {
        check(Some(b"name: x\n"), Ok("name: x\n"));
        check(Some("\u{feff}name: x\n".as_bytes()), Ok("name: x\n"));
        let full = vec![b' '; 1024 * 1024];
        check(Some(&full), Ok(std::str::from_utf8(&full).unwrap()));
        let large = [&full[..], b" "].concat();
        let why = "`a.yaml` has more than 1048576 bytes, the most a hypothesis may have";
        check(Some(&large), Err(why));
    }

    #[test]
    fn what_is_no_text_file_is_refused_by_name() {
        check(None, Err("there is no file `a.yaml`"));
        check(Some(b"name: \xff\n"), Err("`a.yaml` is not UTF-8: the byte at 6 cannot be read"));
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        assert!(matches!(read(path), Err(LoadError::NotAFile { .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_or_pipe_is_not_opened() {
        assert!(matches!(read(Utf8Path::new("/dev/zero")), Err(LoadError::NotAFile { .. })));
    }

    #[test]
    fn every_hypothesis_of_the_repository_is_sound() {
        let dir = Utf8Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/hypotheses"));
        let paths = dir.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
        let examples: Vec<_> = paths.filter(|path| path.extension() == Some("yaml")).collect();
        assert!(examples.len() >= 3, "{examples:?}");
        for path in examples {
            let reading = crate::hypothesis::Reading::ToRun(&|_| None);
            let checked = crate::hypothesis::check(&read(&path).unwrap(), path.as_str(), reading);
            assert!(checked.problems.is_empty(), "{}", checked.problems.render(false));
            let hypothesis = checked.hypothesis.unwrap();
            assert_eq!(Some(hypothesis.name.as_str()), path.file_stem());
        }
    }
}
