"""What `yuenyan doctor` looks at: the site's own things, and the machine they run on."""
