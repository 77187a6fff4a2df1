//! Words that every format uses, and the cleaning of text that comes from outside.

use std::{borrow::Cow, time::Duration};

use crate::number::{Unit, length};

/// Text from outside as one harmless line.
///
/// Labels, pod names, messages and the output of programs can hold anything. Line breaks become
/// spaces, and what could drive a terminal or turn the reading order around becomes visible.
/// What is special to one format only (`<`, `|`, `@`) is that renderer's business.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { tame(c) }).collect()
}

/// As [`plain`], but keeps its lines.
pub(crate) fn plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(|c| if c == '\n' { c } else { tame(c) }).collect()
}

/// The character, or one that can be seen in the place of one that acts unseen.
fn tame(c: char) -> char {
    match c {
        '\t' => ' ',
        // The picture of a control character: ␛ for escape.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        other if is_unseen(other) => '\u{fffd}',
        other => other,
    }
}

/// Whether a character beyond ASCII acts without being seen: a control, a mark that turns the
/// reading order around or has no width, and what no XML may hold.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(
        c,
        // C1 controls: U+009B begins an escape sequence as well as ESC [ does.
        '\u{80}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        // Zero width, and the order of reading.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{fffe}' | '\u{ffff}'
        // Tags: a text within the text that only machines read.
        | '\u{e0000}'..='\u{e007f}'
    )
}

/// How many characters of one text from outside are shown where a reader scrolls through all.
const SHOWN: usize = 1000;

/// At most [`SHOWN`] characters, and how many were left out.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    cut_to(text, SHOWN)
}

/// At most so many characters, and how many were left out.
pub(crate) fn cut_to(text: &str, most: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(most) else { return text.into() };
    let left_out = text[end..].chars().count();
    format!("{}… ({left_out} more characters)", &text[..end]).into()
}

/// A unit whose own text, if it has one, is harmless and short.
pub(crate) fn plain_unit(unit: &Unit) -> Unit {
    match unit {
        Unit::Other(text) => Unit::Other(cap(&plain(text), 24)),
        Unit::None | Unit::Seconds | Unit::Share | Unit::Bytes | Unit::PerSecond => unit.clone(),
    }
}

/// At most `most` characters, with an ellipsis where something was cut off.
pub(crate) fn cap(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// The words of a verdict without the stars around the names of phases and the backticks around
/// those of checks: the words are for a terminal, and other formats would show the marks.
pub(crate) fn unstarred(text: &str) -> String {
    let mut text = plain(text).replace('`', "");
    for phase in crate::window::Phase::ALL {
        text = text.replace(&format!("*{phase}*"), phase.name());
    }
    text
}

/// A part of a whole in as many digits as help: `17 %`, `0.4 %`, `-3 %`.
///
/// A number that is not zero never reads as zero: near the boundary the sign is the message.
pub(crate) fn percent(share: f64) -> String {
    let whole = (share * 100.0).round();
    if whole.abs() >= 10.0 { Unit::Share.show(whole / 100.0) } else { Unit::Share.show(share) }
}

/// A time relative to the zero of the run: `+9 s`, `-1 min 30 s`, `0 s`.
pub(crate) fn relative(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() / 10.0;
    let shown = if tenths.abs() < 10.0 { tenths } else { seconds.round() };
    let sign = match shown {
        s if s > 0.0 => "+",
        s if s < 0.0 => "-",
        _ => "",
    };
    format!("{sign}{}", seconds_text(shown.abs()))
}

/// A length in seconds as people read it; what is no length at all reads `no number`.
pub(crate) fn seconds_text(seconds: f64) -> String {
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) => length(duration),
        Err(_) => Unit::Seconds.show(seconds),
    }
}

/// `1 pod`, `3 pods`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a`, `a and b`, `a, b and c`; of more than `most`, how many others there are.
pub(crate) fn list(items: &[String], most: usize) -> String {
    if items.len() > most {
        return format!("{} and {} more", items[..most].join(", "), items.len() - most);
    }
    match items {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What is said of several things at once: `a and b: why`, in order of first mention.
pub(crate) fn together(said: impl IntoIterator<Item = (String, String)>) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (name, why) in said {
        match groups.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => groups.push((why, vec![name])),
        }
    }
    groups.into_iter().map(|(why, names)| format!("{}: {why}", list(&names, 4))).collect()
}

/// The sentence with a capital first letter.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_drives_a_terminal() {
        assert_eq!(plain("a\nb\x1b[31m\u{202e}c\u{9b}\u{7f}"), "a b␛[31m\u{fffd}c\u{fffd}␡");
        assert_eq!(plain_lines("a\r\nb\x07"), "a\nb␇");
        // An order that turns around, no width at all, and a text in tags that nobody sees.
        assert_eq!(
            plain("\u{2066}a\u{200b}\u{feff}\u{e0041}"),
            "\u{fffd}a\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn of_too_long_a_text_the_rest_is_counted() {
        assert_eq!(cut("short"), "short");
        let long = cut(&"é".repeat(10_000)).into_owned();
        assert!(long.ends_with("éé… (9000 more characters)"), "{long}");
    }

    #[test]
    fn near_the_boundary_the_sign_stays() {
        let said = [0.168, 1.0, 0.0, 0.0996, -0.004, -0.19, f64::NAN].map(percent);
        assert_eq!(said, ["17 %", "100 %", "0 %", "10 %", "-0.4 %", "-19 %", "no number"]);
    }

    #[test]
    fn times_are_said_from_the_injection() {
        let said = [9.04, -30.2, 0.0, 0.04, 90.0, 150.0, -0.5].map(relative);
        assert_eq!(said, ["+9 s", "-30 s", "0 s", "0 s", "+90 s", "+2 min 30 s", "-500 ms"]);
    }

    #[test]
    fn the_same_is_said_once() {
        let said = [("a", "x"), ("b", "y"), ("c", "x")];
        let said = said.map(|(name, why)| (name.to_owned(), why.to_owned()));
        assert_eq!(together(said), ["a and c: x", "b: y"]);
    }

    #[test]
    fn lists_end() {
        let items = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&items, 3), "a, b and c");
        assert_eq!(list(&items, 2), "a, b and 1 more");
        assert_eq!(list(&[], 2), "none");
    }
}
