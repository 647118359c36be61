//! What kinds with a spec do alike on their way into the store: another spec is another generation, and a status is its
//! controllers'.

/// `prepare_create` and `prepare_update` of a kind with a spec and a status; the function fills in what a new status has.
macro_rules! spec_and_status {
    ($($fill:expr)?) => {
        fn prepare_create(&mut self) {
            self.status = Default::default();
            self.metadata.generation = 1;
            $( $fill(self); )?
        }
        fn prepare_update(&mut self, old: &Self) {
            self.status.clone_from(&old.status);
            if self.spec != old.spec {
                self.metadata.generation += 1;
            }
        }
    };
}
pub(super) use spec_and_status;

/// `prepare_create` and `prepare_update` of a kind with a spec and no status.
macro_rules! spec_alone {
    () => {
        fn prepare_create(&mut self) {
            self.metadata.generation = 1;
        }
        fn prepare_update(&mut self, old: &Self) {
            if self.spec != old.spec {
                self.metadata.generation += 1;
            }
        }
    };
}
pub(super) use spec_alone;
