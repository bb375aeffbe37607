"""What devices are set up with, and the files of each system that say so. No I/O."""
