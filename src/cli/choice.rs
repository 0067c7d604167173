//! Flags that take an enum of the library. Names and help of the values come from its JSON schema, so that a flag
//! and its scenario key cannot differ.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use schemars::{JsonSchema, schema_for};
use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::Value;

/// Takes every value.
pub(crate) fn one_of<T>() -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static,
{
    one_of_those(|_| true)
}

/// Takes the values that are `wanted`.
pub(crate) fn one_of_those<T>(wanted: impl Fn(&T) -> bool) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static,
{
    let schema = schema_for!(T);
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let values = variants.into_iter().flatten().filter_map(|variant| {
        let of = |key| variant.get(key).and_then(Value::as_str);
        let name = of("const")?;
        let help = of("description").unwrap_or_default().replace('\n', " ");
        // The parser keeps names for as long as the process runs.
        let value = PossibleValue::new(&*name.to_owned().leak());
        read::<T>(name)
            .is_ok_and(|read| wanted(&read))
            .then(|| value.help(help.trim_end_matches('.').to_owned()))
    });
    // Where a flag ignores case, the name is as it was typed.
    PossibleValuesParser::new(values)
        .try_map(|name| read(&name).or_else(|_| read(&name.to_ascii_lowercase())))
}

fn read<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    T::deserialize(name.into_deserializer())
}

#[cfg(test)]
mod tests {
    use shakedown::compare::Difference;
    use shakedown::scenario::{IdentityFault, KeyAlgorithm};

    use super::*;

    fn names<T>() -> Vec<String>
    where
        T: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static,
    {
        let values = one_of::<T>();
        let values = values.possible_values().into_iter().flatten();
        values.map(|value| value.get_name().to_owned()).collect()
    }

    #[test]
    fn flags_take_the_labels_of_the_library() {
        assert_eq!(
            names::<Difference>(),
            Difference::ALL.map(Difference::label)
        );
        assert_eq!(
            names::<IdentityFault>(),
            IdentityFault::ALL.map(IdentityFault::label)
        );
        assert_eq!(
            names::<KeyAlgorithm>(),
            KeyAlgorithm::ALL.map(KeyAlgorithm::label)
        );
    }
}
