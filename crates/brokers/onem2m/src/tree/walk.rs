use super::{Slot, Tree};

impl Tree {
    /// Everything below a resource, level by level to at most `levels`, in the order of creation within a parent. The
    /// resource itself is left out. `visit` says whether to go on below what it is given, or `None` to stop.
    pub(crate) fn walk(&self, slot: Slot, levels: u64, mut visit: impl FnMut(Slot, u64) -> Option<bool>) {
        let mut level: Vec<Slot> = vec![slot];
        for depth in 1..=levels {
            let mut next = Vec::new();
            for parent in level {
                let Some(family) = self.get(parent).and_then(|found| found.family.as_deref()) else {
                    continue;
                };
                for child in family.all() {
                    match visit(child, depth) {
                        Some(true) => next.push(child),
                        Some(false) => {}
                        None => return,
                    }
                }
            }
            if next.is_empty() {
                return;
            }
            level = next;
        }
    }
}
