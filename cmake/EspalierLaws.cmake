# Which laws of the design a test belongs to, as tests/laws.txt says. Read by CMake for the tests that
# it knows, and by ctest for those that it discovers.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../tests/laws.txt lines)
foreach(line IN LISTS lines)
  if(line MATCHES "^(law[1-9]): ")
    set(law ${CMAKE_MATCH_1})
    set(espalier_${law} "^$")
  elseif(line MATCHES "^  ([^ ]+)$")
    string(REPLACE "." "\\." pattern ${CMAKE_MATCH_1})
    string(REPLACE "*" ".*" pattern ${pattern})
    string(APPEND espalier_${law} "|^${pattern}$")
  endif()
endforeach()

# espalier_laws_of(TEST OUT): sets OUT to the labels "law1" to "law9" of the test.
function(espalier_laws_of test out)
  set(laws)
  foreach(n RANGE 1 9)
    if(test MATCHES "${espalier_law${n}}")
      list(APPEND laws law${n})
    endif()
  endforeach()
  set(${out} "${laws}" PARENT_SCOPE)
endfunction()
