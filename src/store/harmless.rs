//! Text of strangers in files of ours: made harmless once, when it is read, for all that shows it.

use serde_json::{Map, Value};

use crate::text::{defuse, for_terminal};

/// Keys of what people write in several lines.
const PROSE: [&str; 2] = ["question", "reading"];

/// Makes visible what in a file's strings and keys could change how a terminal or report looks. Line breaks
/// stay in what is prose.
pub(super) fn harmless(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(defuse(&text)),
        Value::Array(items) => items.into_iter().map(harmless).collect(),
        Value::Object(fields) => fields.into_iter().map(field).collect::<Map<_, _>>().into(),
        other => other,
    }
}

fn field((key, value): (String, Value)) -> (String, Value) {
    let value = match value {
        Value::String(text) if PROSE.contains(&key.as_str()) => {
            Value::String(for_terminal(&text, false))
        }
        other => harmless(other),
    };
    (defuse(&key), value)
}

/// Whether there is nothing to make harmless.
pub(super) fn is_harmless(value: &Value) -> bool {
    match value {
        Value::String(text) => defuse(text) == *text,
        Value::Array(items) => items.iter().all(is_harmless),
        Value::Object(fields) => fields.iter().all(|(key, value)| {
            let prose = |text: &str| for_terminal(text, false) == text;
            let shown = match value {
                Value::String(text) if PROSE.contains(&key.as_str()) => prose(text),
                other => is_harmless(other),
            };
            shown && defuse(key) == *key
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_and_strings_at_every_depth_are_made_visible() {
        assert!(is_harmless(&json!({"question": "a\n", "b": ["c\\", 1]})));
        assert!(!is_harmless(&json!({"b": ["c\n"]})));
        assert!(!is_harmless(&json!({"b\u{7f}": null})));
        let read =
            json!({"a\u{1b}": ["b\u{9b}\n", {"question": "c\nd\u{1b}", "n": 1}], "\\u{1b}": null});
        let shown = json!({
            "a\\u{1b}": ["b\\u{9b}\\u{a}", {"question": "c\nd\\u{1b}", "n": 1}],
            "\\u{1b}": null,
        });
        assert_eq!(harmless(read), shown);
        assert!(is_harmless(&shown));
    }
}
