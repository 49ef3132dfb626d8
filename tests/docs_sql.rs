//! The SQL of README.md and docs/*.md runs as it stands there, and prints what it says it prints.
//!
//! The ```sql blocks of a page run in their order in one psql session, in a fresh database. The
//! extension is there unless the page creates it itself. A ```text block right after a ```sql
//! block, with nothing but blank lines between, is the block's expected output, as psql prints it:
//!
//! - spaces at the ends of lines do not count;
//! - NOTICE, WARNING and INFO messages count only where the expected output shows such a message;
//! - `…` stands for any text within a line, and a line of its own for any lines.
//!
//! An error is a failure unless the expected output shows an `ERROR:`. Blocks of any other language
//! (```sh, ```console) are not run.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use common::Cluster;

/// Pages that would be useless without SQL.
const PAGES_WITH_SQL: &[&str] = &[
    "README.md",
    "docs/advice.md",
    "docs/attaching.md",
    "docs/cached-queries.md",
    "docs/caching.md",
    "docs/querying.md",
    "docs/operating.md",
];

struct Block {
    line: usize,
    sql: String,
    expected: Option<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let entries = fs::read_dir(root().join("docs")).expect("read docs");
    pages.extend(entries.map(|entry| entry.expect("read docs").path()));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    // The language and the text of the fence that is open, and whether only blank lines came
    // since the last SQL block.
    let mut open: Option<(String, usize, String)> = None;
    let mut right_after_sql = false;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some((language.trim().to_owned(), number + 1, String::new()));
            }
            (None, None) => right_after_sql &= line.trim().is_empty(),
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (Some(_), Some(_)) => {
                let (language, line, text) = open.take().unwrap_or_default();
                match (language.as_str(), blocks.last_mut()) {
                    ("sql", _) => blocks.push(Block {
                        line,
                        sql: text,
                        expected: None,
                    }),
                    ("text", Some(block)) if right_after_sql => block.expected = Some(text),
                    _ => {}
                }
                right_after_sql = language == "sql";
            }
        }
    }
    assert!(open.is_none(), "a fence is never closed");
    blocks
}

/// What psql prints for each block.
fn outputs(cluster: &Cluster, database: &str, blocks: &[Block]) -> Vec<String> {
    const END: &str = "=== end of block ===";
    let mut script = String::new();
    for block in blocks {
        script.push_str(&block.sql);
        script.push_str(&format!("\n\\echo '{END}'\n"));
    }
    let output = cluster.directory().join(format!("{database}.out"));
    let file = fs::File::create(&output).expect("create an output file");
    let mut psql = cluster
        .client_program("psql")
        .args([
            "--no-psqlrc",
            "--quiet",
            "--set",
            "SHOW_CONTEXT=never",
            "--dbname",
            database,
        ])
        // Both into one file, so that errors stand where they happened.
        .stderr(file.try_clone().expect("share the output file"))
        .stdout(file)
        .stdin(Stdio::piped())
        .spawn()
        .expect("start psql");
    let mut input = psql.stdin.take().expect("the input of psql");
    input.write_all(script.as_bytes()).expect("write to psql");
    drop(input);
    psql.wait().expect("wait for psql");
    let text = fs::read_to_string(&output).expect("read the output");
    let mut outputs: Vec<String> = text.split(&format!("{END}\n")).map(str::to_owned).collect();
    let rest = outputs.pop();
    assert_eq!(outputs.len(), blocks.len(), "psql ended early: {rest:?}");
    outputs
}

/// The lines that count, without the blanks that psql and Markdown put around them.
fn lines(text: &str, expected: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut in_message = false;
    for line in text.lines() {
        let message = ["NOTICE:", "WARNING:", "INFO:"]
            .into_iter()
            .find(|kind| line.starts_with(kind));
        if let Some(kind) = message {
            in_message = !expected.contains(kind);
        } else if !["DETAIL:", "HINT:"]
            .iter()
            .any(|kind| line.starts_with(kind))
        {
            in_message = false;
        }
        let line = line.trim_end();
        if !in_message && !line.is_empty() {
            lines.push(line.to_owned());
        }
    }
    lines
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((first, others)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = others.rsplit_once('…').unwrap_or(("", others));
    for part in middle.split('…') {
        match rest.find(part) {
            Some(start) => rest = &rest[start + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn matches(expected: &[String], actual: &[String]) -> bool {
    match (expected.split_first(), actual.split_first()) {
        (None, None) => true,
        (Some((pattern, others)), _) if pattern.trim() == "…" => {
            matches(others, actual)
                || actual
                    .split_first()
                    .is_some_and(|(_, later)| matches(expected, later))
        }
        (Some((pattern, others)), Some((line, later))) => {
            line_matches(pattern, line) && matches(others, later)
        }
        _ => false,
    }
}

fn is_error(line: &str) -> bool {
    line.starts_with("ERROR:") || line.starts_with("FATAL:") || line.starts_with("invalid command")
}

/// What is wrong with a block, if anything.
fn complaint(block: &Block, output: &str) -> Option<String> {
    let expected = block.expected.as_deref().unwrap_or_default();
    if output.lines().any(is_error) && !expected.contains("ERROR:") {
        return Some(format!("fails:\n{output}"));
    }
    let (wanted, got) = (lines(expected, expected), lines(output, expected));
    if block.expected.is_some() && !matches(&wanted, &got) {
        return Some(format!(
            "should print:\n{}\nprints:\n{}",
            wanted.join("\n"),
            got.join("\n")
        ));
    }
    None
}

#[test]
fn sql_in_the_documentation_runs() {
    let cluster = Cluster::with_test_settings().start();
    let mut complaints = Vec::new();
    let mut pages_with_sql = Vec::new();
    for path in pages() {
        let name = path
            .strip_prefix(root())
            .unwrap_or(&path)
            .display()
            .to_string();
        let page = fs::read_to_string(&path).expect("read a page");
        let blocks = blocks(&page);
        if blocks.is_empty() {
            continue;
        }
        pages_with_sql.push(name.clone());
        let creates = blocks
            .iter()
            .any(|block| block.sql.contains("CREATE EXTENSION inventory_perf"));
        let database = if creates {
            cluster.empty_database()
        } else {
            cluster.database()
        };
        for (block, output) in blocks.iter().zip(outputs(&cluster, &database, &blocks)) {
            if let Some(complaint) = complaint(block, &output) {
                complaints.push(format!("{name}:{}: {}\n{complaint}", block.line, block.sql));
            }
        }
        println!("{name}: {} blocks", blocks.len());
    }
    for page in PAGES_WITH_SQL {
        assert!(
            pages_with_sql.iter().any(|name| name == page),
            "{page} has no SQL"
        );
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn wrong_documentation_would_be_found() {
    let check = |expected: &str, output: &str| {
        let block = Block {
            line: 1,
            sql: String::new(),
            expected: Some(expected.to_owned()),
        };
        complaint(&block, output)
    };
    let table = " a | b \n---+---\n 1 | 2\n(1 row)\n\n";
    assert_eq!(check(table, table), None);
    assert_eq!(check(" a | b\n---+---\n 1 | …\n(1 row)", table), None);
    assert_eq!(check("…\n 1 | 2\n…", table), None);
    assert_eq!(check(" a…b\n…+…\n…1…|…2\n(1 row)", table), None);
    assert_eq!(
        check(table, &format!("NOTICE:  hello\nDETAIL:  there\n{table}")),
        None
    );
    assert!(check(table, " a | b \n---+---\n 1 | 3\n(1 row)\n\n").is_some());
    assert!(check(table, "").is_some());
    assert!(check("", table).is_some());
    assert!(check(" a | b\n---+---\n 1 | …3\n(1 row)", table).is_some());
    assert!(check("NOTICE:  hello", "NOTICE:  bye\n").is_some());
    assert!(check(table, "ERROR:  no\n").is_some());
    assert_eq!(check("ERROR:  no…", "ERROR:  no such thing\n"), None);
    let silent = Block {
        line: 1,
        sql: String::new(),
        expected: None,
    };
    assert!(complaint(&silent, "ERROR:  no\n").is_some());

    let page =
        "```sql\nSELECT 1;\n```\n\n```text\none\n```\ntext\n```text\ntwo\n```\n```sh\nls\n```\n";
    let found = blocks(page);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].line, found[0].expected.as_deref()),
        (1, Some("one\n"))
    );
}
