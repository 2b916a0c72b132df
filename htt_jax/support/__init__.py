"""What any package may use: command lines, errors, files, the machine, progress, words, trees."""
