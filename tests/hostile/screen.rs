//! What may stand in a report: no string with characters that act on the screen or hide on it.

use serde_json::Value;

/// The strings of a document that hold such characters, or are longer than any report needs.
pub fn raw_characters(place: &str, value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => fault(place, text).into_iter().collect(),
        Value::Array(list) => list
            .iter()
            .flat_map(|item| raw_characters(place, item))
            .collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, item)| {
                let mut found = raw_characters(&format!("{place}.{key}"), item);
                found.extend(fault(place, key));
                found
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn fault(place: &str, text: &str) -> Option<String> {
    let raw = text.chars().find(|c| acts(*c));
    if let Some(c) = raw {
        return Some(format!("{place}: U+{:04X} in {text:?}", u32::from(c)));
    }
    let long = text.chars().count() > 2_000;
    long.then(|| format!("{place}: a string of {} bytes", text.len()))
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
