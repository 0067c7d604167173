//! Variables of the environment in the strings of a scenario: `${NAME}` and `${NAME:-default}`. What they
//! stand for may be a secret, so it is used and not shown.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::secrets::keep_value;

/// A string that cannot be expanded.
#[derive(Debug)]
pub(super) struct Unexpanded {
    /// The keys that lead to it, and the places in arrays.
    pub path: Vec<String>,
    /// Where it stands, in bytes.
    pub offset: usize,
    pub cause: String,
    pub remedy: String,
}

/// Gives the value of a variable, if it is set.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Expands the strings of a document, but for those that `leave` names by their number among the ones that
/// have variables. Returns how many there are, or the first that cannot be expanded.
pub(super) fn expand(
    table: &mut DeTable<'_>,
    lookup: Lookup<'_>,
    leave: &dyn Fn(usize, &[String]) -> bool,
) -> Result<usize, Unexpanded> {
    let mut count = 0;
    // Keys come in the order of the alphabet, people read in that of the file.
    let mut first: Option<Unexpanded> = None;
    walk_table(
        table,
        &mut Vec::new(),
        &mut |path, offset, string| match value_of(string, lookup) {
            Ok(None) => {}
            Ok(Some((value, has_variables))) => {
                let left = has_variables && leave(count, path);
                count += usize::from(has_variables);
                if !left {
                    *string = Cow::Owned(value);
                }
            }
            Err((cause, remedy)) => {
                if first.as_ref().is_none_or(|known| offset < known.offset) {
                    first = Some(Unexpanded {
                        path: path.to_vec(),
                        offset,
                        cause,
                        remedy,
                    });
                }
            }
        },
    );
    first.map_or(Ok(count), Err)
}

/// What a string stands for, and whether it has variables; none if it stands for itself. The error is the
/// cause, and what to do about it.
fn value_of(string: &str, lookup: Lookup<'_>) -> Result<Option<(String, bool)>, (String, String)> {
    if !string.contains('$') {
        return Ok(None);
    }
    let form = "write ${NAME} or ${NAME:-default}; $$ stands for one $";
    let parts = parse(string).map_err(|cause| (cause, form.to_owned()))?;
    let (mut whole, mut has_variables) = (String::new(), false);
    for part in parts {
        let (name, default) = match part {
            Part::Text(text) => {
                whole.push_str(text);
                continue;
            }
            Part::Variable { name, default } => (name, default),
        };
        has_variables = true;
        let found = lookup(name).filter(|value| default.is_none() || !value.is_empty());
        if found
            .as_ref()
            .is_some_and(|value| value.chars().any(char::is_control))
        {
            return Err((
                format!("the variable {name} has a control character, such as a line end"),
                "set it without".to_owned(),
            ));
        }
        match (found, default) {
            (Some(value), _) => {
                keep_value(name, &value);
                whole.push_str(&value);
            }
            // It is in the file for everyone to read.
            (None, Some(default)) => whole.push_str(default),
            (None, None) => {
                return Err((
                    format!("the variable {name} is not set"),
                    format!("set it in the environment, or write ${{{name}:-default}}"),
                ));
            }
        }
    }
    Ok(Some((whole, has_variables)))
}

/// Takes the path of a string, its place in bytes, and itself.
type Visit<'v> = dyn FnMut(&[String], usize, &mut Cow<'_, str>) + 'v;

fn walk_table(table: &mut DeTable<'_>, path: &mut Vec<String>, visit: &mut Visit<'_>) {
    for (key, value) in table.iter_mut() {
        path.push(key.get_ref().to_string());
        walk(value, path, visit);
        path.pop();
    }
}

fn walk(value: &mut Spanned<DeValue<'_>>, path: &mut Vec<String>, visit: &mut Visit<'_>) {
    let offset = value.span().start;
    match value.get_mut() {
        DeValue::String(string) => visit(path, offset, string),
        DeValue::Table(table) => walk_table(table, path, visit),
        DeValue::Array(array) => {
            for (index, value) in array.iter_mut().enumerate() {
                path.push(index.to_string());
                walk(value, path, visit);
                path.pop();
            }
        }
        _ => {}
    }
}

enum Part<'a> {
    Text(&'a str),
    Variable {
        name: &'a str,
        default: Option<&'a str>,
    },
}

/// Takes a string apart. A `$` before anything but `{` and `$` is itself.
fn parse(string: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = string;
    while let Some((before, after)) = rest.split_once('$') {
        parts.push(Part::Text(before));
        if let Some(after) = after.strip_prefix('$') {
            parts.push(Part::Text("$"));
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            let (inner, after) = inner.split_once('}').ok_or("a `${` without its `}`")?;
            let (name, default) = match inner.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inner, None),
            };
            let first = |c: char| c.is_ascii_alphabetic() || c == '_';
            let later = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if !name.starts_with(first) || !name.chars().all(later) {
                return Err("what stands in `${}` is not the name of a variable".to_owned());
            }
            parts.push(Part::Variable { name, default });
            rest = after;
        } else {
            parts.push(Part::Text("$"));
            rest = after;
        }
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}
