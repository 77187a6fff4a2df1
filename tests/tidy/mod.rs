//! Rules of the code base that the compiler cannot hold. `ARCHITECTURE.md` says why each exists.
//!
//! A rule is a function of one file, so that `guard` can show each rule a planted fault.

mod rules;
mod source;

use std::path::PathBuf;

use rules::IMPORTS;
use source::{Source, files, root};

/// No file at all.
const NONE: &[PathBuf] = &[];

#[test]
fn the_core_touches_nothing() {
    hold(rules::touches_the_world);
}

#[test]
fn imports_flow_one_way() {
    hold(rules::against_the_flow);
}

#[test]
fn every_module_has_its_place() {
    let lib = Source::read(&root().join("src/lib.rs"));
    let unknown: Vec<&str> = lib
        .lines()
        .filter_map(|(_, line)| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod "))
        .filter_map(|module| module.strip_suffix(';'))
        .filter(|module| !matches!(*module, "cli" | "internals"))
        .filter(|module| !IMPORTS.iter().any(|(name, _)| name == module))
        .collect();
    assert_eq!(unknown, [""; 0], "say in `IMPORTS` whom they may name");
}

/// Each file of these modules stands in the part of its module, in backquotes: `watch` or
/// `kubernetes/watch`.
#[test]
fn every_file_of_a_large_module_is_described() {
    let text = fs_err::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut missing = Vec::new();
    for folder in ["collect", "experiment", "record", "store", "report/view"] {
        let module = folder.split('/').next().unwrap();
        let parts = text.split("\n**").filter(|part| part.starts_with(&format!("`{module}`**")));
        let part: String = parts.collect();
        let inside = format!("src/{folder}/");
        for file in files("src", &["rs"]) {
            let Some(path) = file.to_str().unwrap().split(&inside).nth(1) else { continue };
            let path = path.trim_end_matches(".rs");
            let name = path.rsplit('/').next().unwrap();
            let described = [path, name].map(|name| format!("`{name}`"));
            let with_room = format!("`{}/{name}`", folder.rsplit('/').next().unwrap());
            let is_there = described.iter().chain([&with_room]).any(|name| part.contains(name));
            if !is_there && !path.starts_with("tests/") {
                missing.push(format!("{inside}{path}.rs"));
            }
        }
    }
    assert_eq!(missing, [""; 0], "say in `ARCHITECTURE.md` what they hold");
}

#[test]
fn tables_stay_where_they_are_known() {
    hold(rules::table_out_of_place);
}

#[test]
fn no_file_outgrows_its_idea() {
    hold(rules::too_long);
}

#[test]
fn no_grab_bags() {
    hold(rules::grab_bag);
}

#[test]
fn every_file_says_what_lives_in_it() {
    hold(rules::silent);
}

#[test]
fn every_todo_names_an_issue() {
    hold(rules::nameless_todo);
}

#[test]
fn every_script_has_a_usage_line() {
    let mut wrong = Vec::new();
    for file in files("scripts", &[]).into_iter().chain([root().join(".ci/run")]) {
        let text = fs_err::read_to_string(&file).unwrap();
        let first = text
            .lines()
            .take(3)
            .any(|line| line.starts_with("# usage: ") || line.starts_with("//! usage: "));
        if !first {
            wrong.push(file);
        }
    }
    assert_eq!(wrong, NONE, "a script begins with `# usage: …`");
}

/// No text knows the machine that it was written on.
#[test]
fn no_text_names_a_machine() {
    let mut wrong = Vec::new();
    for dir in [".ci", ".config", ".github", "docs", "hypotheses", "scripts", "src", "tests"] {
        wrong.extend(files(dir, &["rs", "md", "toml", "yaml", "yml", "json", "html", "css", ""]));
    }
    for name in ["Cargo.toml", "Cargo.lock", "deny.toml", "clippy.toml", "justfile"] {
        wrong.push(root().join(name));
    }
    for name in ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG"] {
        wrong.push(root().join(format!("{name}.md")));
    }
    wrong.retain(|file| Source::read(file).names_a_machine());
    assert_eq!(wrong, NONE);
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut documents = files("docs", &["md"]);
    for name in ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG"] {
        documents.push(root().join(format!("{name}.md")));
    }
    for document in documents {
        let text = fs_err::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap();
            let outside = target.contains("://") || path.is_empty();
            if !outside && !document.parent().unwrap().join(path).exists() {
                wrong.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// Holds every file under `src` to a rule.
#[track_caller]
fn hold(rule: fn(&Source) -> Vec<String>) {
    let wrong: Vec<String> =
        files("src", &["rs"]).iter().flat_map(|file| rule(&Source::read(file))).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each rule is shown a fault, and something that only looks like one.
mod guard {
    use super::{rules::*, source::Source};

    #[track_caller]
    fn check(rule: fn(&Source) -> Vec<String>, name: &str, text: &str, wrong: usize) {
        let file = Source { name: name.to_owned(), text: text.to_owned() };
        let found = rule(&file);
        assert_eq!(found.len(), wrong, "{found:?}");
    }

    #[test]
    fn the_world_is_seen_in_the_core() {
        let rule = touches_the_world;
        check(rule, "src/verdict/mod.rs", "let t = Timestamp::now();\nfs::read(p);", 2);
        check(rule, "src/hypothesis/load.rs", "fs::read(p);", 0);
        check(rule, "src/hypothesis/tests.rs", "fs::read(p);", 0);
        check(rule, "src/collect/scrape.rs", "fs::read(p);", 0);
        check(rule, "src/verdict/mod.rs", "// fs::read\nlet prefs::x = chaos_net::y;", 0);
        check(rule, "src/number.rs", "x();\n#[cfg(test)]\nmod tests { fs::read(p); }", 0);
    }

    #[test]
    fn an_import_against_the_flow_is_seen() {
        let rule = against_the_flow;
        check(rule, "src/analysis/mod.rs", "use crate::verdict::Outcome;", 1);
        check(
            rule,
            "src/frame/rows.rs",
            "use crate::{\n    time::Time,\n    cli::{a, report},\n};",
            1,
        );
        check(rule, "src/experiment/mod.rs", "use crate::lab::Lab;", 1);
        check(rule, "src/report/mod.rs", "use crate::{verdict::{Gap, Ground}, time::Time};", 0);
        check(rule, "src/verdict/gap.rs", "let x = crate::analysis::y(crate::window::Z);", 0);
        check(rule, "src/cli/mod.rs", "use crate::lab::Lab;", 0);
    }

    #[test]
    fn a_table_out_of_place_is_seen() {
        let rule = table_out_of_place;
        check(rule, "src/report/view.rs", "fn f(frame: &DataFrame) {}", 1);
        check(rule, "src/record/parts.rs", "use polars::prelude::*;", 0);
    }

    #[test]
    fn a_long_file_and_a_grab_bag_are_seen() {
        check(too_long, "src/a.rs", &"x\n".repeat(LINES), 0);
        check(too_long, "src/a.rs", &"x\n".repeat(LINES + 1), 1);
        check(grab_bag, "src/report/utils.rs", "", 1);
        check(grab_bag, "src/helpers/mod.rs", "", 1);
        check(grab_bag, "src/utility.rs", "", 0);
    }

    #[test]
    fn a_silent_file_and_a_nameless_todo_are_seen() {
        check(silent, "src/a.rs", "use x;\n//! late", 1);
        check(nameless_todo, "src/a.rs", "// TODO later", 1);
        check(nameless_todo, "src/a.rs", "// TODO(#7): later", 0);
    }

    #[test]
    fn a_machine_in_a_text_is_seen() {
        let named = |text: String| Source { name: String::new(), text }.names_a_machine();
        assert!(named(["see /ro", "ot/x"].concat()));
        assert!(!named("see $HOME/x".to_owned()));
    }
}
