//! Enums whose variants have stable labels: each is written once, beside its variant.

/// An enum with `ALL`, `label`, `named` and `Display`. With `serde` in front, its labels are also what is
/// serialised.
macro_rules! labelled {
    (@labels $name:ident { $($variant:ident = $label:literal,)+ }) => {
        impl $name {
            /// Every one, in the order of display.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// The stable label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// The one with this label.
            pub fn named(label: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.label() == label)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.label())
            }
        }
    };
    (serde $(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$of_variant:meta])* $variant:ident = $label:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        $vis enum $name {
            $($(#[$of_variant])* #[serde(rename = $label)] $variant,)+
        }

        $crate::text::labelled!(@labels $name { $($variant = $label,)+ });
    };
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$of_variant:meta])* $variant:ident = $label:literal,)+
    }) => {
        $(#[$meta])*
        $vis enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        $crate::text::labelled!(@labels $name { $($variant = $label,)+ });
    };
}

pub(crate) use labelled;
