//! Text that is Markdown, as GitHub reads it: the only way from a text to the page.
//!
//! A text of ours stands as it is; one from outside goes through [`Markup::prose`] or
//! [`Markup::code`], and nothing in it acts any more: no image is fetched, nobody is mentioned,
//! no issue is referred to, no HTML gets through. [`markup!`] joins such texts
//! and takes nothing else, so that a new field of the view cannot be forgotten.

use super::text::{cut, plain};

/// Markdown in which every text from outside is only text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Markup(String);

/// Puts pieces of [`Markup`] into a form of ours. A variable inside the braces does not compile.
macro_rules! markup {
    ($form:literal $(, $piece:expr)* $(,)?) => {
        // `concat!` hides the form from `format!`, which then captures no variable.
        $crate::report::markup::Markup::formed(
            format!(concat!($form) $(, $crate::report::markup::Markup::as_str(&$piece))*)
        )
    };
}

pub(super) use markup;

impl Markup {
    /// A text of ours.
    pub(super) fn own(text: &'static str) -> Self {
        Self(text.to_owned())
    }

    /// For [`markup!`] alone.
    pub(super) fn formed(text: String) -> Self {
        Self(text)
    }

    /// The Markdown.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Many, with a text of ours between them.
    pub(super) fn joined(many: &[Self], between: &'static str) -> Self {
        Self(many.iter().map(Self::as_str).collect::<Vec<_>>().join(between))
    }

    /// Text as nothing but text, wherever it stands, be it in a cell of a table.
    pub(super) fn prose(text: &str) -> Self {
        let text = plain(&cut(text));
        let text = text.trim_start();
        let mut safe = String::with_capacity(text.len());
        for (place, c) in text.char_indices() {
            let (before, after) = (&text[..place], &text[place + c.len_utf8()..]);
            match c {
                '<' => safe.push_str("&lt;"),
                '>' => safe.push_str("&gt;"),
                '&' => safe.push_str("&amp;"),
                // Inside a name an underscore means nothing, and a backslash would be in the way.
                '_' if is_inside_a_word(before, after) => safe.push('_'),
                '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                    safe.push('\\');
                    safe.push(c);
                }
                // What makes a list, a rule or a heading where a line begins.
                '-' | '+' | '='
                    if before.is_empty() && !after.starts_with(char::is_alphanumeric) =>
                {
                    safe.push('\\');
                    safe.push(c);
                }
                '.' | ')' if is_number(before) && !after.starts_with(char::is_alphanumeric) => {
                    safe.push('\\');
                    safe.push(c);
                }
                other => safe.push(other),
            }
            if would_link(before, c, after) {
                safe.push_str(BREAK);
            }
        }
        Self(safe)
    }

    /// Text as code.
    pub(super) fn code(text: &str) -> Self {
        let plain_text = plain(&cut(text));
        // A backtick would end it, and in a table a pipe ends even code, unless what stands
        // before it is no backslash: then it is prose that looks like code.
        if plain_text.trim() != plain_text
            || plain_text.is_empty()
            || plain_text.contains(['`', '|', '\\'])
        {
            return Self(format!("<code>{}</code>", Self::prose(text).0));
        }
        Self(format!("`{plain_text}`"))
    }
}

/// A space of no width, in ASCII. GitHub looks for mentions, references and addresses after it
/// has taken escapes and entities away: only something between the characters helps.
const BREAK: &str = "&#8203;";

/// Whether GitHub would make a link of what goes on after this character.
fn would_link(before: &str, c: char, after: &str) -> bool {
    let ends_with = |word: &str| {
        let start = before.len().checked_sub(word.len());
        start
            .and_then(|start| before.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    match c {
        '@' => true,
        '#' => after.starts_with(|c: char| c.is_alphanumeric()),
        ':' => after.starts_with('/'),
        'w' | 'W' => ends_with("ww") && after.starts_with('.'),
        // `GH-123` is an issue.
        '-' => ends_with("gh") && after.starts_with(|c: char| c.is_ascii_digit()),
        _ => false,
    }
}

fn is_inside_a_word(before: &str, after: &str) -> bool {
    before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        assert_eq!(Markup::prose(text).as_str(), want);
    }

    #[test]
    fn names_stay_readable_and_markup_is_text() {
        check("latency_p99 at _x_", "latency_p99 at \\_x\\_");
        check("<b>|![x](y)", "&lt;b&gt;\\|\\!\\[x\\](y)");
        check("</details> <!-- x -->", "&lt;/details&gt; &lt;\\!-- x --&gt;");
        check("`` $x$ ~~y~~ &lt;", "\\`\\` \\$x\\$ \\~\\~y\\~\\~ &amp;lt;");
    }

    #[test]
    fn nobody_is_mentioned_and_nothing_is_linked() {
        check("@me a@b.c", "@&#8203;me a@&#8203;b.c");
        check("#123 o/r#1 gh-7", "\\#&#8203;123 o/r\\#&#8203;1 gh-&#8203;7");
        check("http://x www.x.org", "http:&#8203;//x www&#8203;.x.org");
    }

    #[test]
    fn a_text_begins_no_block() {
        check("# a", "\\# a");
        check("- a - b", "\\- a - b");
        check("1. a 2.", "1\\. a 2.");
        check("-1.5 s", "-1.5 s");
        check("33.1 s", "33.1 s");
        check("    a", "a");
        check("a\n# b", "a \\# b");
    }

    #[test]
    fn nothing_ends_code() {
        let check = |text: &str, want: &str| assert_eq!(Markup::code(text).as_str(), want);
        check("a", "`a`");
        check("a``b", "<code>a\\`\\`b</code>");
        check("a|b", "<code>a\\|b</code>");
        // In a table `\\|` is a backslash and the end of the cell.
        check("\\|<img>", "<code>\\\\\\|&lt;img&gt;</code>");
        check("", "<code></code>");
    }

    #[test]
    fn pieces_are_joined_as_they_are() {
        let name = Markup::code("a");
        assert_eq!(markup!("| {} | {} |", name, Markup::prose("*")).as_str(), "| `a` | \\* |");
        let both = [Markup::own("<b>"), name];
        assert_eq!(Markup::joined(&both, "<br>").as_str(), "<b><br>`a`");
    }
}
