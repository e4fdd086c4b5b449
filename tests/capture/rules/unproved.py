"""Rules that nothing notices when they are broken, and why they are there."""

_OTHER_VERSIONS = "Only other versions of JAX have this operation."
_SAME_BY_DEFAULT = "An operation without a rule of its own is read alike; the entry says so."
_SCOPES = "Operations with scopes end a result anyway; entry by entry, none lies on the way yet."
_SEVERAL_WAYS = "It keeps a search small; what it would find besides fails other requirements."
_BACKWARD = "Weights in a backward pass are left out for other reasons in all programs so far."
_NOT_YET = "No program of the corpus hangs on it by itself since the forms were laid out anew."

UNPROVED = {
    "program.lineage.MOVES: without copy_p": _OTHER_VERSIONS,
    "program.lineage.MOVES: without copy_to": _OTHER_VERSIONS,
    "program.lineage.MOVES: without expand_dims": _OTHER_VERSIONS,
    "program.lineage.MOVES: without mesh_cast": _OTHER_VERSIONS,
    "program.lineage.MOVES: without pcast": _OTHER_VERSIONS,
    "dimensions.axis_rules.AXIS_RULES: without expand_dims": _OTHER_VERSIONS,
    "roles.placement._KEPT: without pcast": _OTHER_VERSIONS,
    "dimensions.piece_rules.PIECE_RULES: without dynamic_update_slice": _SAME_BY_DEFAULT,
    "dimensions.piece_rules.PIECE_RULES: without scatter-add": _SAME_BY_DEFAULT,
    "roles.loops._is_over_heads: always no": (
        "Loops over heads are told by their matrices first; this is for heads that carry numbers."
    ),
    "roles.neighborhoods._CUTS: without pad": "A padded array has the places of the unpadded one.",
    "roles.neighborhoods._CUTS: without rev": "An array keeps its places when it is turned round.",
    "roles.projections._is_rotation: always yes": (
        "Rotations are features of a constant; those whose features are tokens are not seen yet."
    ),
    "roles.projections._is_rotation: always no": (
        "Rotations are features of a constant; those whose features are tokens are not seen yet."
    ),
    "roles.projections._has_any: always yes": _SEVERAL_WAYS,
    "roles.requirements.is_recomputed: always no": (
        "What is recomputed is backward too, and left out as that."
    ),
    "roles.requirements._entrywise: finds nothing": (
        "Entropies of scores are no attention for other reasons too."
    ),
    "roles.requirements._SUMMING: without cond": _SCOPES,
    "roles.requirements._SUMMING: without scan": _SCOPES,
    "roles.requirements._SUMMING: without while": _SCOPES,
    "forms.before._is_used_as_is: always yes": _BACKWARD,
    "forms.before._is_recomputed: always no": _BACKWARD,
    "kernels.roles._flat: finds nothing": (
        "What queries and keys of a kernel share tells nothing that their projections do not."
    ),
    "roles.kinds._is_given_only: always yes": _NOT_YET,
    "roles.kinds._PRODUCTS: without conv_general_dilated": _NOT_YET,
    "roles.kinds._PRODUCTS: without dot_general": _NOT_YET,
    "roles.kinds._PRODUCTS: without gather": _NOT_YET,
    "roles.requirements.comes_from_backward: always no": _NOT_YET,
    "roles.scores._TAKING: without dynamic_slice": _NOT_YET,
    "roles.scores._TAKING: without slice": _NOT_YET,
    "forms.bounds.Intervals.is_share: always yes": _NOT_YET,
    "forms.bounds._RULES: without psum_invariant": _NOT_YET,
    "forms.scalings._SUMMING: without mul": _NOT_YET,
}
