//! Mutations that keep a JSON text valid, as hardly one in a thousand changes of a byte does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Number, Value};

/// Numbers at the ends of their types, and those where something usually changes.
const NUMBERS: [u64; 12] = [
    0,
    1,
    2,
    9,
    100,
    1_000,
    10_000,
    u32::MAX as u64,
    1 << 53,
    i64::MAX as u64,
    u64::MAX - 1,
    u64::MAX,
];
const FLOATS: [f64; 8] = [
    0.0,
    -1.0,
    0.5,
    1e-300,
    1e300,
    f64::MAX,
    f64::MIN_POSITIVE,
    1e19,
];

/// Changes one to four values somewhere in a JSON text; `bytes` changes what is inside of base64.
/// `None` if the text is not JSON.
pub fn mutate_json(text: &[u8], seed: u32, bytes: fn(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let mut root: Value = serde_json::from_slice(text).ok()?;
    let mut rng = StdRng::seed_from_u64(u64::from(seed));
    for _ in 0..rng.random_range(1..=4) {
        let count = leaves(&mut root);
        let mut left = rng.random_range(0..count.max(1));
        if let Some(leaf) = nth(&mut root, &mut left) {
            change(leaf, &mut rng, bytes);
        }
    }
    serde_json::to_vec(&root).ok()
}

/// Scalars, and containers, which can be emptied or grow.
fn leaves(value: &mut Value) -> usize {
    1 + children(value).map(leaves).sum::<usize>()
}

fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    children(value).find_map(|child| nth(child, left))
}

fn children(value: &mut Value) -> Box<dyn Iterator<Item = &mut Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter_mut()),
        Value::Object(fields) => Box::new(fields.iter_mut().map(|(_, value)| value)),
        _ => Box::new(std::iter::empty()),
    }
}

fn change(value: &mut Value, rng: &mut StdRng, bytes: fn(&mut Vec<u8>)) {
    match value {
        Value::Bool(on) => *on = !*on,
        Value::Null | Value::Number(_) => *value = number(rng),
        Value::String(text) => match STANDARD.decode(&*text) {
            Ok(mut inside) if inside.len() > 8 => {
                bytes(&mut inside);
                *text = STANDARD.encode(inside);
            }
            _ => {
                let mut inside = std::mem::take(text).into_bytes();
                bytes(&mut inside);
                *text = String::from_utf8_lossy(&inside).into_owned();
            }
        },
        Value::Array(items) => match (rng.random_range(0..3), items.len()) {
            (0, 1..) => drop(items.swap_remove(rng.random_range(0..items.len()))),
            (_, 1..64) => items.push(items[rng.random_range(0..items.len())].clone()),
            _ => {}
        },
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let (Some(from), Some(to)) = (names.choose(rng), names.choose(rng)) else {
                return;
            };
            if rng.random_bool(0.2) {
                fields.remove(from);
            } else if let Some(other) = fields.get(from).cloned() {
                fields.insert(to.clone(), other);
            }
        }
    }
}

fn number(rng: &mut StdRng) -> Value {
    match rng.random_range(0..4) {
        0 => FLOATS
            .choose(rng)
            .and_then(|float| Number::from_f64(*float))
            .map_or(Value::Null, Value::Number),
        1 => Value::from(rng.random::<u64>() >> rng.random_range(0..64)),
        _ => NUMBERS
            .choose(rng)
            .copied()
            .map_or(Value::Null, Value::from),
    }
}
