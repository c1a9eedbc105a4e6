# espalier_add_plugin(NAME SOURCES file... [MANIFEST file] [LIBRARIES target...] [BUILTIN])
# The plugin NAME.so, exporting the one symbol of the boundary and nothing else, as the target
# espalier_plugin_NAME. It goes to ESPALIER_PLUGIN_DIRECTORY, or to the build directory if that is
# not set. MANIFEST is a file of lines key=value (name, vendor, version, cpu; # begins a comment),
# for plugins that do not write it with ESPALIER_PLUGIN. BUILTIN also gives the static library
# espalier_backend_NAME, whose entry is named espalier_plugin_NAME, to be linked into a program and
# given to Registry::add_builtin.
# Works inside Espalier's own build and, installed, from a vendor's: find_package(espalier). C is
# enough for a plugin in C.
function(espalier_add_plugin name)
  cmake_parse_arguments(arg "BUILTIN" "MANIFEST" "SOURCES;LIBRARIES" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "espalier_add_plugin(${name}): SOURCES is missing, or an argument is not "
                        "known: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  if(NOT ESPALIER_PLUGIN_DIRECTORY)
    set(ESPALIER_PLUGIN_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  endif()
  set(manifest_source)
  if(arg_MANIFEST)
    espalier_manifest_source(${name} ${arg_MANIFEST} manifest_source)
  endif()
  set(exports ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/plugin.map)
  set(plugin espalier_plugin_${name})
  add_library(${plugin} MODULE ${arg_SOURCES} ${manifest_source})
  target_link_libraries(${plugin} PRIVATE espalier::sdk ${arg_LIBRARIES})
  set_target_properties(${plugin} PROPERTIES
    PREFIX "" SUFFIX ".so" OUTPUT_NAME ${name}
    CXX_VISIBILITY_PRESET hidden C_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    LIBRARY_OUTPUT_DIRECTORY "${ESPALIER_PLUGIN_DIRECTORY}"
    LINK_DEPENDS ${exports})
  target_link_options(${plugin} PRIVATE
    -Wl,--version-script=${exports} -Wl,-z,now)
  if(arg_BUILTIN)
    set(backend espalier_backend_${name})
    add_library(${backend} STATIC ${arg_SOURCES})
    target_link_libraries(${backend} PUBLIC espalier::sdk PRIVATE ${arg_LIBRARIES})
    target_include_directories(${backend} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${backend} PRIVATE ESPALIER_PLUGIN_NAME=espalier_plugin_${name})
  endif()
endfunction()

# Sets OUT to a source file with the section that the framework reads. It is of a language that the
# project has enabled.
function(espalier_manifest_source name manifest out)
  cmake_path(ABSOLUTE_PATH manifest BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${manifest})
  file(STRINGS ${manifest} lines REGEX "^[^#]")
  set(text)
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^[a-z_]+=" OR line MATCHES "^name=(.*[^a-z0-9_-].*)?$")
      message(FATAL_ERROR "${manifest}: '${line}' is not key=value (and a name is of a to z, 0 to "
                          "9, _ and -)")
    endif()
    string(REGEX REPLACE "([\\\"])" "\\\\\\1" line "${line}")
    string(APPEND text "        \"${line}\\n\"\n")
  endforeach()
  foreach(key name vendor version)
    if(NOT text MATCHES "\"${key}=")
      message(FATAL_ERROR "${manifest}: it has no line ${key}=")
    endif()
  endforeach()
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  set(extension cpp)
  if("C" IN_LIST languages)
    set(extension c)
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}_manifest.${extension})
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/manifest.c.in ${source} @ONLY)
  set(${out} ${source} PARENT_SCOPE)
endfunction()
