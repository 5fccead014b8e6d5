//! The words of `--trace`.

use std::path::PathBuf;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// Columns for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ExitLines {
    /// A file; standard error when absent.
    pub file: Option<PathBuf>,
    /// How a line looks.
    pub format: Format,
}

/// What one `--trace` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceWord {
    /// A line per exit.
    Exits(ExitLines),
    /// Counts and times at the end.
    Summary,
}

/// What all of them ask for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TraceOptions {
    /// A line per exit.
    pub exits: Option<ExitLines>,
    /// Counts and times at the end.
    pub has_summary: bool,
}

impl FromIterator<TraceWord> for TraceOptions {
    /// Puts words together; of several that say the same the last one counts.
    fn from_iter<T: IntoIterator<Item = TraceWord>>(words: T) -> Self {
        let mut options = Self::default();
        for word in words {
            match word {
                TraceWord::Exits(lines) => options.exits = Some(lines),
                TraceWord::Summary => options.has_summary = true,
            }
        }
        options
    }
}

/// Reads `exits`, `exits=FILE[,format=text|json]`, `exits,format=json` or `summary`.
///
/// # Errors
/// What is wrong.
pub fn parse(text: &str) -> Result<TraceWord, String> {
    if text == "summary" {
        return Ok(TraceWord::Summary);
    }
    let mut parts = text.split(',');
    let mut lines = ExitLines::default();
    match parts.next().unwrap_or_default().split_once('=') {
        None if text.split(',').next() == Some("exits") => {}
        Some(("exits", "")) => return Err("exits= names no file".to_owned()),
        Some(("exits", file)) => lines.file = Some(PathBuf::from(file)),
        _ => return Err("the choices are exits[=FILE][,format=text|json] and summary".to_owned()),
    }
    for part in parts {
        lines.format = match part.split_once('=') {
            Some(("format", "text")) => Format::Text,
            Some(("format", "json")) => Format::Json,
            Some(("format", other)) => return Err(format!("format is text or json, not '{other}'")),
            _ => return Err(format!("unknown key '{part}'; the key is format")),
        };
    }
    Ok(TraceWord::Exits(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read() {
        let exits = |file: Option<&str>, format| {
            Ok(TraceWord::Exits(ExitLines { file: file.map(PathBuf::from), format }))
        };
        assert_eq!(parse("exits"), exits(None, Format::Text));
        assert_eq!(parse("exits=a.log"), exits(Some("a.log"), Format::Text));
        assert_eq!(parse("exits=a.log,format=json"), exits(Some("a.log"), Format::Json));
        assert_eq!(parse("exits,format=text"), exits(None, Format::Text));
        assert_eq!(parse("summary"), Ok(TraceWord::Summary));
    }

    #[test]
    fn wrong_words_say_what_is_right() {
        for (text, hint) in [
            ("", "choices"),
            ("all", "choices"),
            ("exits=", "no file"),
            ("exits=a,format=xml", "text or json"),
            ("exits=a,lines=3", "format"),
            ("summary=x", "choices"),
        ] {
            let message = parse(text).expect_err("it is wrong");
            assert!(message.contains(hint), "{text}: {message}");
        }
    }
}
