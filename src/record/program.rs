//! A program that is to be run later, perhaps by another process, kept without its secrets.
//!
//! Where a secret stood, the journal names the variable, and whoever runs the program takes the
//! value from there. It is a part of its own and no `${NAME}` in a text: an argument may hold
//! that for a shell, and must come back as it was.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::redact::Secrets;

/// A program and its arguments, without secrets.
///
/// As JSON: a list of arguments. One without a secret is a text, any other the list of its
/// parts: `["curl", ["token=", {"variable": "API_TOKEN"}]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeptProgram(Vec<Argument>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Argument {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Secret { variable: String },
}

/// Why a program cannot be run: its secret is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{variable}` is not set: the program needs its value, which is not kept; set it to what it \
     was, and try again"
)]
pub(crate) struct SecretUnset {
    /// The environment variable.
    pub variable: String,
}

impl KeptProgram {
    /// Takes the secrets out of a program and its arguments.
    pub(crate) fn new(argv: &[String], secrets: &Secrets) -> Self {
        Self(argv.iter().map(|text| Argument::new(text, secrets)).collect())
    }

    /// Program and arguments as they are run. A variable that has another value by now gives
    /// that one: a token may have been renewed.
    pub(crate) fn argv(&self, secrets: &Secrets) -> Result<Vec<String>, SecretUnset> {
        self.0.iter().map(|argument| argument.text(secrets)).collect()
    }
}

impl Argument {
    fn new(text: &str, secrets: &Secrets) -> Self {
        let (mut parts, mut end) = (Vec::new(), 0);
        for found in secrets.find(text) {
            if found.range.start > end {
                parts.push(Part::Text(text[end..found.range.start].to_owned()));
            }
            parts.push(Part::Secret { variable: found.variable.to_owned() });
            end = found.range.end;
        }
        if parts.is_empty() {
            return Self::Text(text.to_owned());
        }
        if end < text.len() {
            parts.push(Part::Text(text[end..].to_owned()));
        }
        Self::Parts(parts)
    }

    fn text(&self, secrets: &Secrets) -> Result<String, SecretUnset> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Parts(parts) => parts.iter().map(|part| part.text(secrets)).collect(),
        }
    }
}

impl Part {
    fn text<'a>(&'a self, secrets: &'a Secrets) -> Result<&'a str, SecretUnset> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Secret { variable } => {
                let unset = || SecretUnset { variable: variable.clone() };
                secrets.value_of(variable).ok_or_else(unset)
            }
        }
    }
}

/// In one line, with `${NAME}` where a secret stands.
impl fmt::Display for KeptProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, argument) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str(" ")?;
            }
            match argument {
                Argument::Text(text) => f.write_str(text)?,
                Argument::Parts(parts) => {
                    for part in parts {
                        match part {
                            Part::Text(text) => f.write_str(text)?,
                            Part::Secret { variable } => write!(f, "${{{variable}}}")?,
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(value: &str) -> Secrets {
        Secrets::among([("A_TOKEN".to_owned(), value.to_owned())])
    }

    fn program(argv: &[&str]) -> KeptProgram {
        let argv: Vec<String> = argv.iter().map(|text| (*text).to_owned()).collect();
        KeptProgram::new(&argv, &secrets("s3cret"))
    }

    #[track_caller]
    fn check(argv: &[&str], want: &str) {
        let kept = program(argv);
        let json = serde_json::to_string(&kept).unwrap();
        assert_eq!(json, want);
        assert_eq!(serde_json::from_str::<KeptProgram>(&json).unwrap(), kept);
        assert_eq!(kept.argv(&secrets("s3cret")).unwrap(), argv);
    }

    #[test]
    fn a_secret_is_kept_as_the_name_of_its_variable() {
        check(&["mend", "it"], r#"["mend","it"]"#);
        check(&["s3cret"], r#"[[{"variable":"A_TOKEN"}]]"#);
        check(&["a=s3cret;", "b"], r#"[["a=",{"variable":"A_TOKEN"},";"],"b"]"#);
    }

    #[test]
    fn what_only_looks_like_a_variable_comes_back_as_it_was() {
        check(
            &["echo ${A_TOKEN} $${A_TOKEN} $s3cret"],
            r#"[["echo ${A_TOKEN} $${A_TOKEN} $",{"variable":"A_TOKEN"}]]"#,
        );
    }

    #[test]
    fn it_is_run_with_the_value_of_the_day_and_never_without_one() {
        let kept = program(&["mend", "a=s3cret"]);
        assert_eq!(kept.argv(&secrets("renewed")).unwrap(), ["mend", "a=renewed"]);
        let unset = kept.argv(&Secrets::default()).unwrap_err();
        assert_eq!(unset.variable, "A_TOKEN");
    }

    #[test]
    fn in_a_line_the_variable_is_named() {
        assert_eq!(program(&["mend", "a=s3cret"]).to_string(), "mend a=${A_TOKEN}");
    }
}
