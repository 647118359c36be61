//! The `object!` macro: declarations in, structs with their JSON form and schema out.

/// Declares structs of the API. A field reads `name: Type = "jsonName", protobufNumber, [flags];`
/// where the flags are methods of [`Field`](crate::schema::field::Field). `null` reads as the default.
macro_rules! object {
    ($(
        $(#[$doc:meta])*
        pub struct $name:ident {
            $( $field:ident : $ty:ty = $json:literal, $num:literal, [ $( $flag:ident $( ( $($arg:expr),* ) )? ),* ]; )*
        }
    )*) => {$(
        $(#[$doc])*
        #[allow(missing_docs, reason = "the fields are Kubernetes' own; their meaning is in its API reference")]
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( pub $field: $ty, )*
        }

        const _: () = {
            use $crate::schema::field::{Field, Schema, Shape};
            use $crate::schema::wire::{Emit, FieldIndex, Wire};

            static SCHEMA: Schema = Schema {
                name: stringify!($name),
                fields: &[ $(
                    Field::new($json, $num, <$ty as Wire>::SHAPE, <$ty as Wire>::POINTER)
                        $( .$flag( $( $($arg),* )? ) )*,
                )* ],
            };

            impl $name {
                /// The static description of this type.
                pub const SCHEMA: &'static Schema = &SCHEMA;
            }

            impl Wire for $name {
                const SHAPE: Shape = Shape::Struct(&SCHEMA);
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    use serde::ser::SerializeMap;
                    #[allow(unused_mut, reason = "a struct may have no fields")]
                    let mut map = serializer.serialize_map(None)?;
                    $(
                        let omit = const {
                            Field::new($json, $num, <$ty as Wire>::SHAPE, false)
                                $( .$flag( $( $($arg),* )? ) )*.omitempty
                        };
                        if !(omit && Wire::is_zero(&self.$field)) {
                            map.serialize_entry($json, &Emit(&self.$field))?;
                        }
                    )*
                    map.end()
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    struct Fields;
                    impl<'de> serde::de::Visitor<'de> for Fields {
                        type Value = $name;
                        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str(concat!("an object of type ", stringify!($name)))
                        }
                        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                            #[allow(unused_mut, reason = "a struct may have no fields")]
                            let mut out = $name::default();
                            while let Some(found) = map.next_key_seed(FieldIndex(&SCHEMA))? {
                                #[allow(unused_mut, unused_assignments, unused_variables, reason = "a struct may have no fields")]
                                let mut at = 0usize;
                                $(
                                    if found == Some(at) {
                                        out.$field = map.next_value::<Option<$ty>>()?.unwrap_or_default();
                                        continue;
                                    }
                                    #[allow(unused_assignments, reason = "the last count is not read")]
                                    { at += 1; }
                                )*
                                map.next_value::<serde::de::IgnoredAny>()?;
                            }
                            Ok(out)
                        }
                    }
                    deserializer.deserialize_map(Fields)
                }
            }
        };
    )*};
}
pub(crate) use object;
