"""Who may upload, and to which projects."""
