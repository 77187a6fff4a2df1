//! Many things in a sentence: the first few, and how many more there are.

/// The first `most` of some things and the number of the others: `a, b and 3 more`. When all are said,
/// `last` stands before the last one (`a, b or c`); an empty one is a comma.
pub(crate) fn listed(all: &[String], most: usize, last: &str) -> String {
    let shown = &all[..most.min(all.len())];
    let last_word = if last.is_empty() { "and" } else { last };
    match (all.len() - shown.len(), shown.split_last()) {
        (0, Some((end, start))) if !start.is_empty() && !last.is_empty() => {
            format!("{} {last} {end}", start.join(", "))
        }
        (0, _) => shown.join(", "),
        (more, _) => format!("{} {last_word} {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_counted() {
        let all = ["a", "b", "c"].map(str::to_owned);
        let said = |n: usize, last| listed(&all[..n], 2, last);
        assert_eq!([0, 1, 2, 3].map(|n| said(n, "")), ["", "a", "a, b", "a, b and 1 more"]);
        assert_eq!([1, 2, 3].map(|n| said(n, "or")), ["a", "a or b", "a, b or 1 more"]);
    }
}
