//! `${NAME}` and `${NAME:-default}` in one scalar. The result is a text and stays one: nothing
//! in a variable can become YAML. It may be a secret, so no message repeats it.

/// Why a scalar cannot be substituted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotSubstituted {
    /// The variable is not set, and there is no default.
    Unset(String),
    /// What follows `${` cannot be read.
    Malformed(String),
}

/// Replaces every variable in `text`; `$${` stands for `${` itself. As in a shell, the default
/// also counts for a variable that is empty.
pub(super) fn substitute(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, NotSubstituted> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let malformed = |why: &str| NotSubstituted::Malformed(why.to_owned());
        let end = after.find('}').ok_or_else(|| malformed("`${` has no closing `}`"))?;
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        if !is_name(name) {
            return Err(malformed(&format!("`{name}` is not the name of a variable")));
        }
        match (variable(name).filter(|v| default.is_none() || !v.is_empty()), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => return Err(NotSubstituted::Unset(name.to_owned())),
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db:1".to_owned()),
            "EVIL" => Some("x\"]\nfault: none # ${HOST}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(substitute(text, &variable).unwrap(), want);
    }

    #[test]
    fn variables_defaults_and_escapes() {
        check("http://${HOST}/a", "http://db:1/a");
        check("${HOST}${GONE:-b}c", "db:1bc");
        check("${EMPTY:-b}|${EMPTY}", "b|");
        check("${GONE:-}", "");
        check("$${HOST} costs $5", "${HOST} costs $5");
        check("plain", "plain");
    }

    #[test]
    fn a_value_is_not_read_again() {
        check("${EVIL}", "x\"]\nfault: none # ${HOST}");
    }

    #[test]
    fn what_cannot_be_substituted_is_said() {
        let unset = NotSubstituted::Unset("GONE".to_owned());
        assert_eq!(substitute("a${GONE}", &variable), Err(unset));
        for text in ["${HOST", "${}", "${1A}", "${a b}", "${HOST:=x}"] {
            let got = substitute(text, &variable);
            assert!(matches!(got, Err(NotSubstituted::Malformed(_))), "{text}: {got:?}");
        }
    }
}
