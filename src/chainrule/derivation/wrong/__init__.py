"""What mistakes give: wrong algorithms run on the user's own graph, beside the right one."""
