//! What the README tells people to type exists.

use std::{collections::BTreeSet, path::Path};

use tempfile::TempDir;

use crate::{
    lint,
    support::{HypothesisFile, homeostat},
};

/// The words after the program's name on every line of the README that calls it.
fn calls(readme: &str) -> Vec<Vec<&str>> {
    let fenced = readme.split("```").skip(1).step_by(2).flat_map(str::lines);
    let inline = readme.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
    let call = |text| {
        let start = ["homeostat ", "cargo run --release -- "];
        let rest = start.iter().find_map(|start| str::trim(text).strip_prefix(start))?;
        // What follows `--` or a comment belongs to another program, or to the reader.
        let words =
            rest.split_whitespace().take_while(|word| !["--", "#", "|", ">"].contains(word));
        Some(words.collect())
    };
    fenced.chain(inline).filter_map(call).collect()
}

fn readme() -> String {
    fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn every_command_and_flag_of_the_readme_exists() {
    let readme = readme();
    let calls = calls(&readme);
    assert!(calls.len() > 5, "{calls:?}");
    for call in calls {
        let Some((command, rest)) = call.split_first() else { continue };
        let help = homeostat([*command, "--help"]).run().exits(0).stdout;
        for flag in rest.iter().filter(|word| word.starts_with("--")) {
            let flag = flag.split('=').next().unwrap();
            assert!(help.contains(flag), "`{command}` has no `{flag}`: {help}");
        }
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = readme();
    let told: BTreeSet<&str> =
        calls(&readme).iter().filter_map(|call| call.first().copied()).collect();
    let help = homeostat(["--help"]).run().exits(0).stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands = commands.take_while(|line| line.starts_with("  "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.len() > 5, "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(told.contains(command), "the README does not say what `{command}` does");
    }
}

#[test]
fn every_example_is_in_the_readme() {
    let readme = readme();
    for example in lint::examples() {
        let name = example.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(name), "the README does not name `{name}`");
    }
}

#[test]
fn the_hypothesis_of_the_readme_is_sound() {
    let readme = readme();
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let hypotheses: Vec<&str> = blocks.filter(|block| block.contains("\nversion: 1\n")).collect();
    assert_eq!(hypotheses.len(), 1);
    let dir = TempDir::new().unwrap();
    let file = HypothesisFile::text(hypotheses[0]).write(dir.path());
    let lint = homeostat(["lint".as_ref(), file.as_os_str()]);
    lint.env("METRICS_SD", "http://127.0.0.1:9900/sd").run().exits(0);
}

#[test]
fn calls_are_found_in_blocks_and_in_sentences() {
    let text = "Try `homeostat lint FILE`.\n```sh\nhomeostat run a.yaml -- ls -l # now\nls\n```\n";
    assert_eq!(calls(text), [vec!["run", "a.yaml"], vec!["lint", "FILE"]]);
}
