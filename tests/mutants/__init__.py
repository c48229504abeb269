"""Mutations: single faults put into the code on purpose, to prove that the tests catch them."""
