//! The volume with the data.

use serde_json::json;

use super::names::Names;
use super::{Rendered, owned, rendered};
use crate::kinds::Kind;
use crate::validate::{Validated, Volume};

/// A claim that is kept has no owner: the garbage collector deletes what belongs to a resource that is gone.
pub(super) fn claim(server: &Validated, volume: &Volume, names: &Names) -> Rendered {
    let mut spec = json!({
        "accessModes": [volume.access_mode],
        "resources": {"requests": {"storage": volume.size}},
    });
    if let Some(class) = &volume.class_name {
        spec["storageClassName"] = json!(class);
    }
    let fields = json!({"spec": spec});
    if volume.deleted_with_resource {
        owned(server, Kind::Claim, &names.claim, fields)
    } else {
        rendered(server, Kind::Claim, &names.claim, None, fields)
    }
}
