//! What a kind does on its way into the store.

use crate::admit::families::Families;
use crate::kind::Resource;
use crate::table::column::Printed;
use crate::validate::error::Errors;

/// What a kind does on its way into the store.
pub trait Admitted: Resource + Printed {
    /// Fills in what is left out.
    fn fill_defaults(&mut self) {}

    /// Clears what belongs to features that are off.
    fn drop_disabled(&mut self) {}

    /// Clears what users may not set on create, and sets what the server sets.
    fn prepare_create(&mut self) {}

    /// Takes over from the old object what users may not change.
    fn prepare_update(&mut self, _old: &Self) {}

    /// Fills in what follows from the ranges of the cluster, or says why it can't; other rules are looked at afterwards.
    fn fit(&mut self, _old: Option<&Self>, _families: Families, _errors: &mut Errors) {}

    /// Fills in what follows from the uid, which an object is given after admission.
    fn settle(&mut self) {}

    /// Rules for a new object.
    fn validate_create(&self, errors: &mut Errors);

    /// Rules for an object that replaces another: those for a new one, where nothing in it has to stay.
    fn validate_update(&self, _old: &Self, errors: &mut Errors) {
        self.validate_create(errors);
    }
}

/// What is done with the type of a kind.
pub trait Visit {
    /// What comes out.
    type Out;

    /// Does it.
    fn visit<T: Admitted>(self) -> Self::Out;
}
