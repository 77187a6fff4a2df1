//! The parameters of a request.

use std::collections::HashMap;

use crate::lab::status::Failure;

/// The parameters of a query.
pub(super) struct Params(pub(super) HashMap<String, String>);

impl Params {
    /// A parameter that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a parameter has a value.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    /// Whether a parameter is switched on.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.is(name, "true") || self.is(name, "1")
    }

    /// A parameter that is a count.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let number = text.parse();
        number.map(Some).map_err(|_error| Failure::bad_request(format!("{name}: `{text}`")))
    }

    /// The version asked for. None and 0 mean any.
    pub(super) fn version(&self) -> Result<Option<u64>, Failure> {
        match self.get("resourceVersion") {
            None | Some("0") => Ok(None),
            Some(text) => match text.parse() {
                Ok(version) => Ok(Some(version)),
                Err(_) => Err(Failure::bad_version(text)),
            },
        }
    }
}
