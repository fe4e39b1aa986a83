use std::fs;

use super::*;

fn with_file(text: &str) -> (tempfile::TempDir, Sources) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("spotter.toml");
    fs::write(&file, text).unwrap();
    (dir, Sources { file: Some(file), ..Sources::default() })
}

fn with_variable(name: &str, value: &str) -> Sources {
    Sources { variables: vec![(name.into(), value.into())], ..Sources::default() }
}

fn error_of(sources: &Sources) -> String {
    sources.load().unwrap_err().to_string()
}

#[test]
fn nothing_set_gives_the_defaults() {
    assert_eq!(Sources::default().load().unwrap(), Config::default());
}

#[test]
fn flags_count_more_than_variables_and_variables_more_than_the_file() {
    let (_dir, mut sources) = with_file(
        "listen = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:1\"\n[socket]\nin_flight = 1\nsubscriptions = 1\n",
    );
    sources.variables = vec![
        ("SPOTTER_SOCKET__IN_FLIGHT".into(), "2".into()),
        ("SPOTTER_LISTEN".into(), "127.0.0.1:2".into()),
        ("HOME".into(), "/home/ada".into()),
    ];
    sources.flags = vec![("listen", "--listen", "127.0.0.1:3".to_owned())];

    let (config, settings) = sources.load_with_origins().unwrap();

    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.socket.in_flight, 2);
    assert_eq!(config.socket.subscriptions, 1);
    assert_eq!(settings["listen"].origin, Origin::Flag("--listen"));
    assert_eq!(settings["socket.in_flight"].origin.to_string(), "variable SPOTTER_SOCKET__IN_FLIGHT");
    assert!(matches!(settings["admin_listen"].origin, Origin::File(_)));
    assert_eq!(settings["engine.tick_ms"].origin, Origin::Default);
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_the_file() {
    let (_dir, sources) = with_file("[socket]\ninflight = 3\n");
    let error = error_of(&sources);
    assert!(error.contains("`socket.inflight`") && error.contains("spotter.toml"), "{error}");
    assert!(error.contains("did you mean `socket.in_flight`"), "{error}");

    let (_dir, sources) = with_file("[sockets]\n");
    assert!(error_of(&sources).contains("`sockets`"));
}

#[test]
fn an_unknown_variable_is_named_with_the_key_that_was_meant() {
    let error = error_of(&with_variable("SPOTTER_IN_FLIGHT", "3"));
    assert!(error.contains("variable SPOTTER_IN_FLIGHT") && error.contains("`socket.in_flight`"), "{error}");
}

#[test]
fn variables_of_the_command_line_are_no_settings() {
    assert!(with_variable("SPOTTER_PASSWORD", "hunter2").load().is_ok());
}

#[test]
fn a_value_of_the_wrong_form_is_named_with_its_place() {
    for (name, value) in [
        ("SPOTTER_SOCKET__IN_FLIGHT", "many"),
        ("SPOTTER_SOCKET__IN_FLIGHT", "-1"),
        ("SPOTTER_LISTEN", "everywhere"),
        ("SPOTTER_LOG__FORMAT", "xml"),
    ] {
        let error = error_of(&with_variable(name, value));
        let key = name["SPOTTER_".len()..].to_lowercase().replace("__", ".");
        assert!(error.contains(name) && error.contains(&key), "{error}");
    }
}

#[test]
fn a_number_out_of_range_is_told_the_range() {
    let error = error_of(&with_variable("SPOTTER_ENGINE__TICK_MS", "5"));
    assert!(error.contains("variable SPOTTER_ENGINE__TICK_MS sets `engine.tick_ms` to 5"), "{error}");
    assert!(error.contains("from 20 to 5000"), "{error}");
}

#[test]
fn an_archive_is_kept_whole_or_is_told_what_is_missing() {
    for (text, key, reason) in [
        ("keep_months = 3\nto = \"/a\"\ndrop = true", "archive.drop", "`archive.to` too"),
        ("to = \"/a\"", "archive.to", "set `archive.keep_months`"),
        ("drop = true\nkeep_months = 0", "archive.drop", "set `archive.keep_months`"),
        ("keep_months = 3", "archive.keep_months", "set `archive.to`, or `archive.drop`"),
    ] {
        let (_dir, sources) = with_file(&format!("[archive]\n{text}\n"));
        let error = error_of(&sources);
        assert!(error.contains(&format!("spotter.toml sets `{key}`")) && error.contains(reason), "{error}");
    }
    for text in ["keep_months = 3\nto = \"/a\"", "keep_months = 3\ndrop = true", "keep_months = 0"] {
        let (_dir, sources) = with_file(&format!("[archive]\n{text}\n"));
        assert!(sources.load().is_ok(), "{text}");
    }
}

#[test]
fn nodes_that_share_need_a_server_and_archive_when_one_is_left() {
    for (text, key, reason) in [
        ("[cluster]\nredis = \"redis://a\"", "cluster.redis", "set `database`"),
        (
            "database = \"postgres://a\"\n[cluster]\nredis = \"redis://a\"\n[archive]\nkeep_months = 3\ndrop = true",
            "archive.keep_months",
            "`spotter archive`",
        ),
    ] {
        let (_dir, sources) = with_file(text);
        let error = error_of(&sources);
        assert!(error.contains(&format!("spotter.toml sets `{key}`")) && error.contains(reason), "{error}");
    }
    let (_dir, sources) = with_file("database = \"postgres://a\"\n[cluster]\nredis = \"redis://a\"");
    assert!(sources.load().is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let sources = Sources { file: Some("/nowhere/spotter.toml".into()), ..Sources::default() };
    assert!(error_of(&sources).contains("/nowhere/spotter.toml"));
}

#[test]
fn the_documented_example_sets_every_key_to_its_default_and_states_every_range() {
    let example = include_str!("../../config/spotter.toml");
    let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let every_key_set: String = example
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let (_dir, sources) = with_file(&every_key_set);

    let (config, settings) = sources.load_with_origins().unwrap();

    assert_eq!(config, Config::default());
    for (key, setting) in settings {
        assert!(matches!(setting.origin, Origin::File(_)), "{key} is not documented");
    }
    for (key, _, range) in config.numbers() {
        let stated = format!("{} to {}", range.start(), range.end());
        assert!(example.contains(&stated), "the range of {key} is not documented: {stated}");
    }
}

#[test]
fn the_documented_example_can_be_used_as_it_is() {
    let (_dir, sources) = with_file(include_str!("../../config/spotter.toml"));
    assert_eq!(sources.load().unwrap(), Config::default());
}
